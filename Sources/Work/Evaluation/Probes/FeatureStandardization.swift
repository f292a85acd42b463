import TensorCore

/// Batch norm without an affine part: every channel minus its mean, over its deviation. The statistics are those of the
/// whole training part, to which the running averages of a batch norm tend.
public struct FeatureStandardization: Sendable, Equatable {
  /// Mean of each channel.
  public let means: [Double]
  /// 1 / sqrt(variance + epsilon) of each channel; the variance divides by the number of rows.
  public let scales: [Double]

  /// The statistics of features [n, C], n at least 1.
  public init(_ features: Tensor, epsilon: Double = 1e-6) {
    let (n, c) = (features.rowCount, features.lastDimension)
    precondition(n > 0, "FeatureStandardization: no rows")
    var means = [Double](repeating: 0, count: c)
    var variances = means
    for row in 0..<n {
      for k in 0..<c { means[k] += Double(features.pointer[row * c + k]) / Double(n) }
    }
    for row in 0..<n {
      for k in 0..<c {
        let distance = Double(features.pointer[row * c + k]) - means[k]
        variances[k] += distance * distance / Double(n)
      }
    }
    self.means = means
    scales = variances.map { 1 / ($0 + epsilon).squareRoot() }
  }

  /// Features [n, C], standardised.
  public func apply(to features: Tensor, on device: Device) -> Tensor {
    let c = features.lastDimension
    precondition(c == means.count, "FeatureStandardization: \(features.shape) for \(means.count) channels")
    let result = device.empty(features.shape)
    for row in 0..<features.rowCount {
      for k in 0..<c {
        let i = row * c + k
        result.pointer[i] = Float((Double(features.pointer[i]) - means[k]) * scales[k])
      }
    }
    return result
  }
}
