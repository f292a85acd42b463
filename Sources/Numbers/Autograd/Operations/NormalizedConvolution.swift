import TensorCore

/// A convolution's parameters, and where it may read them packed.
public struct ConvolutionFilter {
  /// [O, I, k, k]
  public let weight: Variable
  /// [O]
  public let bias: Variable
  public let geometry: ConvolutionGeometry
  /// The same parameters, packed, for tapes that do not record; nil while they may change.
  public let packed: ConvolutionWeights?

  /// A filter of these parameters.
  public init(
    weight: Variable, bias: Variable, geometry: ConvolutionGeometry, packed: ConvolutionWeights? = nil
  ) {
    (self.weight, self.bias, self.geometry, self.packed) = (weight, bias, geometry, packed)
  }
}

/// A group norm's parameters and constants; silu follows.
public struct GroupNormParameters {
  /// [C]
  public let weight: Variable
  /// [C]
  public let bias: Variable
  /// Groups of channels.
  public let groups: Int
  /// Added to the variance.
  public let epsilon: Double

  /// A norm of these parameters.
  public init(weight: Variable, bias: Variable, groups: Int, epsilon: Double) {
    (self.weight, self.bias, self.groups, self.epsilon) = (weight, bias, groups, epsilon)
  }
}

extension Tape {
  /// Convolution of x [B, H, W, I]: [B, H', W', O].
  public func convolution(_ x: Variable, _ filter: ConvolutionFilter) -> Variable {
    if let packed = filter.packed, !isRecording { return Variable(device.convolve(x.value, packed)) }
    return convolution(x, weight: filter.weight, bias: filter.bias, filter.geometry)
  }

  /// Convolution of silu(groupNorm(x)). In bfloat16 the convolution's input is rounded as the norm makes it, and
  /// never exists in float32.
  public func normalizedConvolution(
    _ x: Variable, norm: GroupNormParameters, _ filter: ConvolutionFilter
  ) -> Variable {
    guard device.precision == .bfloat16 else {
      let normed = groupNorm(
        x, weight: norm.weight, bias: norm.bias, groups: norm.groups, epsilon: norm.epsilon, silu: true)
      return convolution(normed, filter)
    }
    let kernel = GroupNormKernel(
      device, x: x.value, weight: norm.weight.value, bias: norm.bias.value, groups: norm.groups,
      epsilon: norm.epsilon, silu: true)
    let input = ConvolutionInput(kernel.roundedOutput(device))
    if let packed = filter.packed, !isRecording { return Variable(device.convolve(input, packed)) }
    let (weight, bias, geometry) = (filter.weight, filter.bias, filter.geometry)
    let y = device.convolve(
      input, weight: weight.value, bias: bias.value, geometry, training: isRecording)
    let (normSlots, slots) = ((norm.weight.slot, norm.bias.slot), (weight.slot, bias.slot))
    return record(y, from: [x, norm.weight, norm.bias, weight, bias]) {
      [unowned self, x = x.slot, scale = norm.weight.value, weight = weight.value] dy in
      let target = parameterTargets(slots.0, slots.1)
      let dNormed = device.convolveBackward(
        dy, input: input, weight: weight, geometry, weightGradient: target?.weight,
        biasGradient: target?.bias, needsInputGradient: true)
      guard let dNormed else { return }
      let dx = kernel.backward(
        device, dNormed, weight: scale, weightGradient: additionTarget(for: normSlots.0),
        biasGradient: additionTarget(for: normSlots.1))
      accumulate(dx, into: x)
    }
  }
}
