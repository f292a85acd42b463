import CKernels
import TensorCore

extension Tape {
  /// Sum of x * constant, a scalar: the linear functional that gradient checks differentiate.
  public func dot(_ x: Variable, _ constant: Tensor) -> Variable {
    precondition(x.value.count == constant.count, "dot: \(x.shape) and \(constant.shape)")
    let value = tsr_dot(x.value.pointer, constant.pointer, constant.count)
    return record(device.full([], Float(value)), from: [x]) { [unowned self, x = x.slot] dy in
      accumulate(device.scaled(constant.reshaped(x.shape), dy.scalar), into: x)
    }
  }
}
