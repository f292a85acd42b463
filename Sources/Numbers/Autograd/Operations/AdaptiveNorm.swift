import CKernels
import TensorCore

/// Numbers of each image that steer a layer: `width` of them at `offset` in the rows of a variable [B, n].
public struct Modulation {
  /// The variable [B, n] that holds them, perhaps among others.
  public let source: Variable
  /// Place of the first.
  public let offset: Int

  /// Numbers at a place of the rows of a variable.
  public init(_ source: Variable, at offset: Int) { (self.source, self.offset) = (source, offset) }

  private var stride: Int { source.value.lastDimension }

  /// What the loops read and what a backward pass keeps.
  fileprivate var rows: ModulationRows {
    ModulationRows(value: source.value, slot: source.slot, offset: offset)
  }

  func check(_ x: Variable, _ op: String) {
    precondition(
      x.shape.count == 3 && source.shape.count == 2 && source.shape[0] == x.shape[0]
        && offset >= 0 && offset + x.shape[2] <= stride,
      "\(op): x \(x.shape), numbers at \(offset) of \(source.shape)")
  }
}

/// Numbers of each image, by their place in rows of a value [B, n] and of its gradient.
private struct ModulationRows {
  let value: Tensor
  let slot: GradientSlot
  let offset: Int

  subscript(image: Int) -> UnsafeMutablePointer<Float> { row(image, of: value) }

  func row(_ image: Int, of tensor: Tensor) -> UnsafeMutablePointer<Float> {
    tensor.pointer + image * value.lastDimension + offset
  }
}

extension Tape {
  /// Layer norm without weights, scaled and shifted by image: y [B, T, C] = n (1 + scale) + shift, with
  /// n = (x - mean) / sqrt(variance + epsilon) over channels (AdaLN).
  public func adaptiveNorm(
    _ x: Variable, scale: Modulation, shift: Modulation, epsilon: Float
  ) -> Variable {
    scale.check(x, "adaptiveNorm")
    shift.check(x, "adaptiveNorm")
    let (t, c) = (x.shape[1], x.shape[2])
    let (scaleRows, shiftRows) = (scale.rows, shift.rows)
    let (normed, inverse) = (device.empty(x.shape), device.empty([x.value.rowCount]))
    let y = device.empty(x.shape)
    device.forRanges(x.value.rowCount) { rows in
      for row in rows {
        let out = normed.pointer + row * c
        inverse.pointer[row] = normalizeRow(out, x.value.pointer + row * c, epsilon, c)
        let (a, b) = (scaleRows[row / t], shiftRows[row / t])
        let target = y.pointer + row * c
        for i in 0..<c { target[i] = out[i] * (1 + a[i]) + b[i] }
      }
    }
    return record(y, from: [x, scale.source, shift.source]) { [unowned self, x = x.slot] dy in
      addModulationGradients(dy, times: normed, to: scaleRows)
      addModulationGradients(dy, times: nil, to: shiftRows)
      guard x.requiresGradient else { return }
      let dx = device.empty(x.shape)
      device.forRanges(dy.rowCount) { rows in
        for row in rows {
          let (n, d, a) = (normed.pointer + row * c, dy.pointer + row * c, scaleRows[row / t])
          let out = dx.pointer + row * c
          for i in 0..<c { out[i] = d[i] * (1 + a[i]) }
          normalizeRowBackward(out, n, inverse.pointer[row], c)
        }
      }
      accumulate(dx, into: x)
    }
  }

  /// x + factor gate update, of [B, T, C]: a branch whose weight each image chooses by channel.
  /// - Parameter factors: one number an image, such as 0 where stochastic depth drops the branch; nil stands for 1.
  public func addGated(_ update: Variable, to x: Variable, gate: Modulation, factors: [Float]? = nil)
    -> Variable
  {
    precondition(
      x.shape == update.shape && factors.map { $0.count == x.shape[0] } ?? true,
      "addGated: \(update.shape) to \(x.shape), \(factors?.count ?? 0) factors")
    gate.check(x, "addGated")
    let (t, c) = (x.shape[1], x.shape[2])
    let gateRows = gate.rows
    let y = device.empty(x.shape)
    device.forRanges(x.value.rowCount) { rows in
      for row in rows {
        let (target, g) = (y.pointer + row * c, gateRows[row / t])
        let (a, u, factor) = (
          x.value.pointer + row * c, update.value.pointer + row * c, factors?[row / t] ?? 1
        )
        for i in 0..<c { target[i] = a[i] + factor * g[i] * u[i] }
      }
    }
    return record(y, from: [x, update, gate.source]) {
      [unowned self, x = x.slot, slot = update.slot, update = update.value] dy in
      accumulate(dy, into: x)
      addModulationGradients(dy, times: update, factors: factors, to: gateRows)
      guard slot.requiresGradient else { return }
      let du = device.empty(x.shape)
      device.forRanges(dy.rowCount) { rows in
        for row in rows {
          let (target, g) = (du.pointer + row * c, gateRows[row / t])
          let (d, factor) = (dy.pointer + row * c, factors?[row / t] ?? 1)
          for i in 0..<c { target[i] = factor * g[i] * d[i] }
        }
      }
      accumulate(du, into: slot)
    }
  }

  /// Adds, for each image and channel, the sum over positions of dy times another tensor of its shape, or of dy alone.
  private func addModulationGradients(
    _ dy: Tensor, times other: Tensor?, factors: [Float]? = nil, to modulation: ModulationRows
  ) {
    guard modulation.slot.requiresGradient else { return }
    let (t, c) = (dy.shape[1], dy.shape[2])
    let gradient = additionTarget(for: modulation.slot)
    device.forRanges(dy.shape[0]) { images in
      for image in images {
        let target = modulation.row(image, of: gradient)
        let factor = factors?[image] ?? 1
        for row in image * t..<(image + 1) * t {
          let d = dy.pointer + row * c
          if let other {
            let o = other.pointer + row * c
            for i in 0..<c { target[i] += factor * d[i] * o[i] }
          } else {
            for i in 0..<c { target[i] += factor * d[i] }
          }
        }
      }
    }
  }
}

/// Writes the normalised row, and gives 1 / sqrt(variance + epsilon).
private func normalizeRow(
  _ y: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ epsilon: Float, _ c: Int
) -> Float {
  var sum = 0.0
  for i in 0..<c { sum += Double(x[i]) }
  let mean = Float(sum / Double(c))
  for i in 0..<c { y[i] = x[i] - mean }
  let inverse = 1 / (Float(tsr_dot(y, y, c) / Double(c)) + epsilon).squareRoot()
  tsr_scale(y, inverse, y, c)
  return inverse
}

/// Turns the gradient by the normalised row n into that by the row: (d - mean d - n mean(d n)) inverse.
private func normalizeRowBackward(
  _ d: UnsafeMutablePointer<Float>, _ n: UnsafePointer<Float>, _ inverse: Float, _ c: Int
) {
  var sum = 0.0
  for i in 0..<c { sum += Double(d[i]) }
  let (mean, slope) = (Float(sum / Double(c)), Float(tsr_dot(d, n, c) / Double(c)))
  for i in 0..<c { d[i] = (d[i] - mean - n[i] * slope) * inverse }
}
