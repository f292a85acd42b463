import CKernels
import TensorCore

extension Tape {
  /// y [..., N] = x [..., K] weight[N, K]^T + bias [N].
  public func linear(_ x: Variable, weight: Variable, bias: Variable? = nil) -> Variable {
    let (n, k) = (weight.shape[0], weight.shape[1])
    precondition(x.value.lastDimension == k, "linear: x \(x.shape), weight \(weight.shape)")
    let rows = x.value.rowCount
    let y = device.empty(x.shape.dropLast() + [n])
    let input = device.kept(x.value, multiplications: rows * n * k)
    let matrix = device.kept(weight.value, multiplications: rows * n * k)
    device.multiply(m: rows, n: n, k: k, input, matrix.asTransposed, into: y.pointer, stride: n)
    if let bias {
      device.forRanges(rows) {
        tsr_add_bias(y.pointer + $0.lowerBound * n, bias.value.pointer, $0.count, n)
      }
    }
    let weightInput = weight.requiresGradient ? input : nil
    return record(y, from: [x, weight] + (bias.map { [$0] } ?? [])) {
      [unowned self, x = x.slot, weight = weight.slot, bias = bias?.slot] dy in
      let d = device.kept(dy, multiplications: rows * n * k)
      if let weightInput { addWeightGradient(d, weightInput, to: weight, rows: rows) }
      if let bias, bias.requiresGradient {
        let target = additionTarget(for: bias)
        let partial = device.zeros([device.threads.count, n])
        device.threads.forRanges(rows) { range, thread in
          tsr_column_sums(partial.pointer + thread * n, dy.pointer + range.lowerBound * n, range.count, n)
        }
        device.addRows(of: partial, to: target)
      }
      if x.requiresGradient {
        let dx = device.empty(x.shape)
        device.multiply(m: rows, n: k, k: n, d, matrix, into: dx.pointer, stride: k)
        accumulate(dx, into: x)
      }
    }
  }

  /// d weight [N, K] += dy^T x, with dy [rows, N] and x [rows, K].
  func addWeightGradient(_ dy: MatrixOperand, _ x: MatrixOperand, to weight: GradientSlot, rows: Int) {
    let (n, k) = (weight.shape[0], weight.shape[1])
    let (target, beta) = productTarget(for: weight)
    device.multiply(m: n, n: k, k: rows, dy.asTransposed, x, beta: beta, into: target.pointer, stride: k)
  }
}
