import CKernels
import TensorCore

extension Tape {
  /// Rows scaled to length 1: y [..., C] = x / max(|x|, 1e-12).
  public func l2Normalize(_ x: Variable) -> Variable {
    let (rows, c) = (x.value.rowCount, x.value.lastDimension)
    let y = device.empty(x.shape)
    let inverse = device.empty([rows])
    device.forRanges(rows) {
      tsr_l2_normalize(
        y.pointer + $0.lowerBound * c, inverse.pointer + $0.lowerBound, x.value.pointer + $0.lowerBound * c,
        1e-12, $0.count, c)
    }
    return record(y, from: [x]) { [unowned self, x = x.slot] dy in
      let dx = device.empty(x.shape)
      device.forRanges(rows) {
        let first = $0.lowerBound * c
        tsr_l2_normalize_backward(
          dx.pointer + first, dy.pointer + first, y.pointer + first, inverse.pointer + $0.lowerBound,
          $0.count, c)
      }
      accumulate(dx, into: x)
    }
  }
}
