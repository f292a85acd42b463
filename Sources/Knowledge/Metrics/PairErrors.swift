import Glibc
import Images

extension RGBImage {
  /// Mean squared difference of the samples, on [0, 255].
  /// - Throws: `MetricsError.sizeMismatch`.
  public func meanSquaredError(to other: RGBImage) throws(MetricsError) -> Double {
    try requireSameSize(as: other)
    let sum = zip(pixels, other.pixels).reduce(0) {
      let difference = Int($1.0) - Int($1.1)
      return $0 + difference * difference
    }
    return Double(sum) / Double(pixels.count)
  }

  /// Throws `MetricsError.sizeMismatch` unless the other image has this one's width and height.
  func requireSameSize(as other: RGBImage) throws(MetricsError) {
    guard width == other.width, height == other.height else {
      throw .sizeMismatch(expected: "\(width)x\(height)", found: "\(other.width)x\(other.height)")
    }
  }
}

/// Peak signal-to-noise ratio in dB of a mean squared error on [0, 255]; infinite for an error of 0.
public func peakSignalToNoiseRatio(meanSquaredError: Double) -> Double {
  10 * log10(255 * 255 / meanSquaredError)
}
