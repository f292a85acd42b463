import TensorCore

/// What a network wants its images shifted and scaled by, channel by channel.
public struct ChannelScale: Sendable {
  /// Subtracted from each channel of the input.
  public var mean: [Float]
  /// Divides what is left.
  public var deviation: [Float]

  /// A shift and a scale for each channel.
  public init(mean: [Float], deviation: [Float]) {
    precondition(
      mean.count == deviation.count, "ChannelScale: \(mean.count) means, \(deviation.count) deviations")
    (self.mean, self.deviation) = (mean, deviation)
  }
}

extension Tape {
  /// y[..., c] = (x[..., c] - mean[c]) / deviation[c].
  public func standardizeChannels(_ x: Variable, _ scale: ChannelScale) -> Variable {
    let c = scale.mean.count
    precondition(x.value.lastDimension == c, "standardizeChannels: x \(x.shape), \(c) channels")
    let y = device.empty(x.shape)
    device.forRanges(y.count, grain: 4096) {
      for i in $0 { y.pointer[i] = (x.value.pointer[i] - scale.mean[i % c]) / scale.deviation[i % c] }
    }
    return record(y, from: [x]) { [unowned self, x = x.slot] dy in
      let dx = device.empty(x.shape)
      device.forRanges(dx.count, grain: 4096) {
        for i in $0 { dx.pointer[i] = dy.pointer[i] / scale.deviation[i % c] }
      }
      accumulate(dx, into: x)
    }
  }
}
