import CKernels
import TensorCore

extension Tape {
  /// y [..., C] = x / sqrt(mean(x^2) + epsilon) * weight [C].
  public func rmsNorm(_ x: Variable, weight: Variable, epsilon: Float) -> Variable {
    let c = x.value.lastDimension
    precondition(weight.shape == [c], "rmsNorm: x \(x.shape), weight \(weight.shape)")
    let rows = x.value.rowCount
    let y = device.empty(x.shape)
    let inverse = device.empty([rows])
    device.forRanges(rows) {
      tsr_rms_norm(
        y.pointer + $0.lowerBound * c, inverse.pointer + $0.lowerBound, x.value.pointer + $0.lowerBound * c,
        weight.value.pointer, epsilon, $0.count, c)
    }
    return record(y, from: [x, weight]) {
      [unowned self, x = x.slot, value = x.value, slot = weight.slot, weight = weight.value] dy in
      let dx = device.empty(x.shape)
      let partial = device.zeros([device.threads.count, c])
      device.threads.forRanges(rows) { range, thread in
        let first = range.lowerBound
        tsr_rms_norm_backward(
          dx.pointer + first * c, partial.pointer + thread * c, dy.pointer + first * c,
          value.pointer + first * c, weight.pointer, inverse.pointer + first, range.count, c)
      }
      if slot.requiresGradient { device.addRows(of: partial, to: additionTarget(for: slot)) }
      accumulate(dx, into: x)
    }
  }
}
