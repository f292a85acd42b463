import TensorCore

extension Tape {
  /// y = x where x is above 0, otherwise slope x; elementwise. At 0 the gradient is that of the negative side.
  public func leakyReLU(_ x: Variable, slope: Float) -> Variable {
    let y = device.empty(x.shape)
    device.forRanges(y.count, grain: 4096) {
      for i in $0 { y.pointer[i] = x.value.pointer[i] > 0 ? x.value.pointer[i] : slope * x.value.pointer[i] }
    }
    return record(y, from: [x]) { [unowned self, x = x.slot, value = x.value] dy in
      let dx = device.empty(x.shape)
      device.forRanges(dx.count, grain: 4096) {
        for i in $0 { dx.pointer[i] = value.pointer[i] > 0 ? dy.pointer[i] : slope * dy.pointer[i] }
      }
      accumulate(dx, into: x)
    }
  }
}
