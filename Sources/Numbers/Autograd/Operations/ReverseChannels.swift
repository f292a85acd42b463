import TensorCore

extension Tape {
  /// The last channel first, of [..., C]: from red, green, blue to blue, green, red.
  public func reverseChannels(_ x: Variable) -> Variable {
    record(device.withReversedChannels(x.value), from: [x]) { [unowned self, x = x.slot] dy in
      accumulate(device.withReversedChannels(dy.reshaped(x.shape)), into: x)
    }
  }
}

extension Device {
  fileprivate func withReversedChannels(_ x: Tensor) -> Tensor {
    let (y, c) = (empty(x.shape), x.lastDimension)
    forRanges(x.rowCount, grain: 1024) {
      for row in $0 {
        for i in 0..<c { y.pointer[row * c + i] = x.pointer[row * c + c - 1 - i] }
      }
    }
    return y
  }
}
