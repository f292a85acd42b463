/// What can be wrong with the features, logits or images that a metric is asked about.
public enum MetricsError: Error, Equatable, Sendable {
  /// A feature is NaN, infinite, or too large to be squared and cubed.
  case notFinite(row: Int, column: Int)
  /// Fewer images than the metric is defined for.
  case tooFewImages(metric: String, found: Int, needed: Int)
  /// The two sides have features of different lengths.
  case dimensionMismatch(reference: Int, samples: Int)
  /// A covariance of so many features would take gigabytes.
  case tooManyFeatures(found: Int, limit: Int)
  /// A covariance is not that of any distribution.
  case notACovariance(reason: String)
  /// Two images that are compared pixel by pixel have different sizes.
  case sizeMismatch(expected: String, found: String)
  /// An image is smaller than the window it is looked at through.
  case imageTooSmall(width: Int, height: Int, needed: Int)
  /// LAPACK gave up on a matrix.
  case noConvergence(order: Int)
}

extension MetricsError: CustomStringConvertible {
  /// One sentence: what was expected, what was found and what to try.
  public var description: String {
    switch self {
    case .notFinite(let row, let column):
      return
        "expected finite features; found NaN, infinity or a number above 1e40 in row \(row), column \(column); try: "
        + "extract them again"
    case .tooFewImages(let metric, let found, let needed):
      return
        "\(metric): expected at least \(needed) images; found \(found); try: more images, or leave this metric out"
    case .dimensionMismatch(let reference, let samples):
      return
        "expected features of one length on both sides; found \(reference) for the reference and \(samples) for "
        + "the samples; try: the same network for both"
    case .tooManyFeatures(let found, let limit):
      let gigabytes = Double(found) * Double(found) * 8 / 1e9
      return
        "expected at most \(limit) features, for a covariance; found \(found), whose covariance takes "
        + "\(gigabytes.rounded()) GB; try: a network with fewer, or --metrics precision-recall,kid"
    case .notACovariance(let reason):
      return
        "expected a symmetric positive semi-definite covariance; found \(reason); try: compute the statistics again"
    case .sizeMismatch(let expected, let found):
      return "expected images of one size, \(expected); found \(found); try: crop both sides alike"
    case .imageTooSmall(let width, let height, let needed):
      return
        "expected images of at least \(needed)x\(needed) pixels; found \(width)x\(height); try: larger images"
    case .noConvergence(let order):
      return
        "the eigenvalues of a matrix of order \(order) did not converge; try: check the statistics for damage"
    }
  }
}
