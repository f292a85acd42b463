import CKernels
import TensorCore

extension Tape {
  /// y = x sigmoid(x), elementwise; also called SiLU.
  public func silu(_ x: Variable) -> Variable {
    let y = device.empty(x.shape)
    device.forRanges(y.count, grain: 4096) {
      tsr_silu(y.pointer + $0.lowerBound, x.value.pointer + $0.lowerBound, $0.count)
    }
    return record(y, from: [x]) { [unowned self, x = x.slot, value = x.value] dy in
      let dx = device.empty(x.shape)
      device.forRanges(dx.count, grain: 4096) {
        let first = $0.lowerBound
        tsr_silu_backward(dx.pointer + first, dy.pointer + first, value.pointer + first, $0.count)
      }
      accumulate(dx, into: x)
    }
  }
}
