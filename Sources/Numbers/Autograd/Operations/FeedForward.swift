import CKernels
import TensorCore

extension Tape {
  /// A gated feed-forward layer: y [..., C] = (silu(x gate^T) * (x up^T)) down^T, with x [..., C], gate and up [H, C] and down
  /// [C, H].
  ///
  /// In bfloat16 what is between the products is rounded as it is made: the gated product for the last one, and both projections and
  /// their gradients for the backward pass, which keeps nothing in float32.
  public func feedForward(_ x: Variable, gate: Variable, up: Variable, down: Variable) -> Variable {
    let (h, c, rows) = (gate.shape[0], gate.shape[1], x.value.rowCount)
    precondition(
      x.value.lastDimension == c && up.shape == gate.shape && down.shape == [c, h],
      "feedForward: x \(x.shape), gate \(gate.shape), up \(up.shape), down \(down.shape)")
    let multiplications = rows * h * c
    guard device.roundsProducts(of: multiplications) else {
      return linear(swiGLU(x, gate: gate, up: up), weight: down)
    }
    let input = device.kept(x.value, multiplications: multiplications)
    let halves = [gate, up].map {
      (slot: $0.slot, matrix: device.kept($0.value, multiplications: multiplications))
    }
    let last = device.kept(down.value, multiplications: multiplications)
    let (gated, projections) = gatedProjections(
      input, halves.map(\.matrix), rows: rows, width: h, channels: c)
    let y = device.empty(x.shape)
    device.multiply(m: rows, n: c, k: h, MatrixOperand(gated), last.asTransposed, into: y.pointer, stride: c)
    let weightInput = gate.requiresGradient || up.requiresGradient ? input : nil
    let downInput = down.requiresGradient ? MatrixOperand(gated) : nil
    return record(y, from: [x, gate, up, down]) { [unowned self, x = x.slot, down = down.slot] dy in
      guard let projections else { return }
      let d = device.kept(dy, multiplications: multiplications)
      if let downInput { addWeightGradient(d, downInput, to: down, rows: rows) }
      let dGated = device.empty([rows, h])
      device.multiply(m: rows, n: h, k: c, d, last, into: dGated.pointer, stride: h)
      let parts = [device.emptyBFloat16([rows, h]), device.emptyBFloat16([rows, h])]
      device.forRanges(rows) {
        let first = $0.lowerBound * h
        tsr_swiglu_backward_bfloat16(
          parts[0].pointer + first, parts[1].pointer + first, dGated.pointer + first,
          projections.pointer + 2 * first, $0.count, h)
      }
      let dx = device.empty(x.shape)
      for (place, half) in halves.enumerated() {
        let part = MatrixOperand(parts[place])
        if let weightInput, half.slot.requiresGradient {
          addWeightGradient(part, weightInput, to: half.slot, rows: rows)
        }
        guard x.requiresGradient else { continue }
        device.multiply(
          m: rows, n: c, k: h, part, half.matrix, beta: place == 0 ? 0 : 1, into: dx.pointer, stride: c)
      }
      accumulate(dx, into: x)
    }
  }

  /// The gated product [rows, H], and for a backward pass both projections [rows, 2H], in bfloat16.
  private func gatedProjections(
    _ input: MatrixOperand, _ matrices: [MatrixOperand], rows: Int, width h: Int, channels c: Int
  ) -> (gated: BFloat16Tensor, projections: BFloat16Tensor?) {
    let both = device.empty([rows, 2 * h])
    for (half, matrix) in matrices.enumerated() {
      device.multiply(
        m: rows, n: h, k: c, input, matrix.asTransposed, into: both.pointer + half * h, stride: 2 * h)
    }
    let gated = device.emptyBFloat16([rows, h])
    let projections = isRecording ? device.emptyBFloat16([rows, 2 * h]) : nil
    device.forRanges(rows) {
      let first = $0.lowerBound * h
      tsr_swiglu_bfloat16(
        gated.pointer + first, projections.map { $0.pointer + 2 * first }, both.pointer + 2 * first, $0.count,
        h)
    }
    return (gated, projections)
  }
}
