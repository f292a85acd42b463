import CKernels
import TensorCore

extension Tape {
  /// y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, elementwise: GELU in its form with tanh.
  public func gelu(_ x: Variable) -> Variable {
    let y = device.empty(x.shape)
    device.forRanges(y.count, grain: 4096) {
      tsr_gelu(y.pointer + $0.lowerBound, x.value.pointer + $0.lowerBound, $0.count)
    }
    return record(y, from: [x]) { [unowned self, x = x.slot, value = x.value] dy in
      let dx = device.empty(x.shape)
      device.forRanges(dx.count, grain: 4096) {
        let first = $0.lowerBound
        tsr_gelu_backward(dx.pointer + first, dy.pointer + first, value.pointer + first, $0.count)
      }
      accumulate(dx, into: x)
    }
  }
}
