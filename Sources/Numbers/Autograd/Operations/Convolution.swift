import TensorCore

extension Tape {
  /// Convolution of x [B, H, W, I] with weight [O, I, k, k] and bias [O]: [B, H', W', O].
  public func convolution(
    _ x: Variable, weight: Variable, bias: Variable, _ geometry: ConvolutionGeometry
  ) -> Variable {
    let input = device.convolutionInput(x.value)
    let y = device.convolve(input, weight: weight.value, bias: bias.value, geometry, training: isRecording)
    return record(y, from: [x, weight, bias]) {
      [unowned self, x = x.slot, filter = weight.value, weight = weight.slot, bias = bias.slot] dy in
      let target = parameterTargets(weight, bias)
      let dx = device.convolveBackward(
        dy, input: input, weight: filter, geometry, weightGradient: target?.weight,
        biasGradient: target?.bias, needsInputGradient: x.requiresGradient)
      if let dx { accumulate(dx, into: x) }
    }
  }

  /// Convolution of x [B, H, W, I] with weights that are not trained, and the activation after it: [B, H', W', O].
  public func convolution(_ x: Variable, _ weights: ConvolutionWeights) -> Variable {
    let y = device.convolve(x.value, weights)
    return record(y, from: [x]) { [unowned self, x = x.slot] dy in
      accumulate(device.convolveBackward(dy, output: y, inputShape: x.shape, weights), into: x)
    }
  }

  /// Where a convolution adds the gradients of its parameters; nil where both are frozen.
  func parameterTargets(_ weight: GradientSlot, _ bias: GradientSlot) -> (weight: Tensor, bias: Tensor)? {
    guard weight.requiresGradient || bias.requiresGradient else { return nil }
    return (additionTarget(for: weight), additionTarget(for: bias))
  }

  /// Nearest-neighbour doubling of [B, H, W, C].
  public func upsampleTwice(_ x: Variable) -> Variable {
    let (b, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    let y = device.empty([b, 2 * h, 2 * w, c])
    device.forRanges(b * 2 * h) { rows in
      for row in rows {
        let source = x.value.pointer + (row / (2 * h) * h + row % (2 * h) / 2) * w * c
        for column in 0..<2 * w {
          (y.pointer + (row * 2 * w + column) * c).update(from: source + column / 2 * c, count: c)
        }
      }
    }
    return record(y, from: [x]) { [unowned self, x = x.slot] dy in
      let dx = device.empty(x.shape)
      device.forRanges(b * h) { rows in
        for row in rows {
          let first = dy.pointer + (row / h * 2 * h + row % h * 2) * 2 * w * c
          for column in 0..<w {
            let (top, bottom) = (first + 2 * column * c, first + (2 * w + 2 * column) * c)
            let target = dx.pointer + (row * w + column) * c
            for i in 0..<c { target[i] = top[i] + top[c + i] + bottom[i] + bottom[c + i] }
          }
        }
      }
      accumulate(dx, into: x)
    }
  }
}
