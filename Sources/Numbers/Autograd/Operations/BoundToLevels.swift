import Glibc
import TensorCore

extension Tape {
  /// The bounding of finite scalar quantization (Mentzer et al., 2023, appendix A.1): component k of each row [..., d] goes
  /// to a range whose nearest whole multiples of 1 / floor(L / 2) are L = `levels[k]` values from -1 to at most 1.
  ///
  /// y = (h tanh(x + s) - o) / floor(L / 2), with h = (L - 1) (1 - 1e-3) / 2, o = 1/2 for an even L and 0 for an odd one,
  /// and s = tan(o / h), as the published code has it.
  public func boundToLevels(_ x: Variable, levels: [Int]) -> Variable {
    precondition(x.value.lastDimension == levels.count, "boundToLevels: \(x.shape), \(levels.count) levels")
    let bounds = levels.map(LevelBound.init)
    let d = bounds.count
    let (y, slopes) = (device.empty(x.shape), device.empty(x.shape))
    device.forRanges(x.value.rowCount, grain: 64) { rows in
      for i in rows.lowerBound * d..<rows.upperBound * d {
        (y.pointer[i], slopes.pointer[i]) = bounds[i % d].valueAndSlope(x.value.pointer[i])
      }
    }
    return record(y, from: [x]) { [unowned self, x = x.slot] dy in
      for i in 0..<dy.count { slopes.pointer[i] *= dy.pointer[i] }
      accumulate(slopes, into: x)
    }
  }
}

/// The bounding of one dimension.
private struct LevelBound {
  private let half, offset, shift, width: Double

  init(_ levels: Int) {
    precondition(levels >= 2, "boundToLevels: \(levels) levels")
    half = Double(levels - 1) * (1 - 1e-3) / 2
    offset = levels % 2 == 0 ? 0.5 : 0
    shift = tan(offset / half)
    width = Double(levels / 2)
  }

  func valueAndSlope(_ x: Float) -> (Float, Float) {
    let t = tanh(Double(x) + shift)
    return (Float((half * t - offset) / width), Float(half * (1 - t * t) / width))
  }
}
