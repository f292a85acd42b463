import CKernels
import TensorCore

extension Tape {
  /// The gated half of a SwiGLU feed-forward layer: y [..., H] = silu(x gate^T) * (x up^T), with x
  /// [..., C] and both weights [H, C].
  public func swiGLU(_ x: Variable, gate: Variable, up: Variable) -> Variable {
    let (h, c) = (gate.shape[0], gate.shape[1])
    precondition(
      x.value.lastDimension == c && up.shape == gate.shape,
      "swiGLU: x \(x.shape), gate \(gate.shape), up \(up.shape)")
    let rows = x.value.rowCount
    // Both products side by side in one buffer: a row holds the gate, then the up projection.
    let both = device.empty([rows, 2 * h])
    let y = device.empty(x.shape.dropLast() + [h])
    let input = device.kept(x.value, multiplications: rows * h * c)
    let halves = [(gate, 0), (up, h)].map { weight, offset in
      (
        weight: weight.slot, offset: offset,
        matrix: device.kept(weight.value, multiplications: rows * h * c)
      )
    }
    for half in halves {
      device.multiply(
        m: rows, n: h, k: c, input, half.matrix.asTransposed, into: both.pointer + half.offset,
        stride: 2 * h)
    }
    device.forRanges(rows) {
      tsr_swiglu(
        y.pointer + $0.lowerBound * h, both.pointer + $0.lowerBound * 2 * h, $0.count, h)
    }
    let weightInput = gate.requiresGradient || up.requiresGradient ? input : nil
    return record(y, from: [x, gate, up]) { [unowned self, x = x.slot] dy in
      let dBoth = device.empty([rows, 2 * h])
      device.forRanges(rows) {
        tsr_swiglu_backward(
          dBoth.pointer + $0.lowerBound * 2 * h, dy.pointer + $0.lowerBound * h,
          both.pointer + $0.lowerBound * 2 * h, $0.count, h)
      }
      let dx = device.empty(x.shape)
      for (weight, offset, matrix) in halves {
        let part = MatrixOperand(dBoth.pointer + offset, stride: 2 * h)
        if let weightInput, weight.requiresGradient {
          addWeightGradient(part, weightInput, to: weight, rows: rows)
        }
        if x.requiresGradient {
          device.multiply(
            m: rows, n: c, k: h, part, matrix, beta: offset == 0 ? 0 : 1, into: dx.pointer, stride: c)
        }
      }
      if x.requiresGradient { accumulate(dx, into: x) }
    }
  }
}
