import CKernels
import TensorCore

extension Tape {
  /// The gated half of a SwiGLU feed-forward layer: y [..., H] = swish(x gate^T) * (x up^T), with x
  /// [..., C] and both weights [H, C].
  public func gatedLinear(_ x: Variable, gate: Variable, up: Variable) -> Variable {
    let (h, c) = (gate.shape[0], gate.shape[1])
    precondition(
      x.value.lastDimension == c && up.shape == gate.shape,
      "gatedLinear: x \(x.shape), gate \(gate.shape), up \(up.shape)")
    let rows = x.value.rowCount
    // Both products side by side in one buffer: a row holds the gate, then the up projection.
    let both = device.empty([rows, 2 * h])
    let y = device.empty(x.shape.dropLast() + [h])
    for (weight, offset) in [(gate, 0), (up, h)] {
      device.multiply(
        m: rows, n: h, k: c, MatrixOperand(x.value.pointer, stride: c),
        MatrixOperand(weight.value.pointer, stride: c, transposed: true), into: both.pointer + offset,
        stride: 2 * h)
    }
    device.forRanges(rows) {
      tsr_swiglu(
        y.pointer + $0.lowerBound * h, both.pointer + $0.lowerBound * 2 * h, $0.count, h)
    }
    return record(y, from: [x, gate, up]) { [unowned self] dy in
      let dBoth = device.empty([rows, 2 * h])
      device.forRanges(rows) {
        tsr_swiglu_backward(
          dBoth.pointer + $0.lowerBound * 2 * h, dy.pointer + $0.lowerBound * h,
          both.pointer + $0.lowerBound * 2 * h, $0.count, h)
      }
      let dx = device.empty(x.shape)
      for (weight, offset) in [(gate, 0), (up, h)] {
        let part = MatrixOperand(dBoth.pointer + offset, stride: 2 * h)
        if weight.requiresGradient { addWeightGradient(part, x.value, to: weight, rows: rows) }
        if x.requiresGradient {
          device.multiply(
            m: rows, n: c, k: h, part, MatrixOperand(weight.value.pointer, stride: c),
            beta: offset == 0 ? 0 : 1, into: dx.pointer, stride: c)
        }
      }
      if x.requiresGradient { accumulate(dx, into: x) }
    }
  }
}
