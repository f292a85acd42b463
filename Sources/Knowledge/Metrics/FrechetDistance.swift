import TensorCore

/// Fréchet distance of two normal distributions: |mu1 - mu2|² + Tr S1 + Tr S2 - 2 Tr (S1^1/2 S2 S1^1/2)^1/2;
/// FID, where the features are Inception's.
///
/// With any factors S1 = F1ᵀ F1 and S2 = F2ᵀ F2 the last trace is the sum of the singular values of G = F1 F2ᵀ: the roots
/// of the eigenvalues of the symmetric G Gᵀ or Gᵀ G, whichever is smaller. The factors are Cholesky's with pivoting; their
/// ranks are below the numbers of images, so that N < d costs less and is not blurred by the roots of rounding errors,
/// and they take a tenth of an eigendecomposition's time. Negative eigenvalues are rounding errors and count as 0.
public struct FrechetDistance {
  private let statistics: GaussianStatistics
  private let factor: (rank: Int, elements: [Double])
  private let device: Device

  /// Prepares one side, for distances to any number of others.
  public init(to reference: GaussianStatistics, on device: Device) {
    statistics = reference
    factor = semidefiniteFactor(reference.covariance, d: reference.dimension)
    self.device = device
  }

  /// The distance of two distributions; symmetric up to rounding, never negative.
  /// - Throws: `MetricsError.dimensionMismatch`, `.noConvergence`.
  public static func between(
    _ reference: GaussianStatistics, _ samples: GaussianStatistics, on device: Device
  ) throws(MetricsError) -> Double {
    try FrechetDistance(to: reference, on: device).distance(to: samples)
  }

  /// The distance to another distribution.
  /// - Throws: `MetricsError.dimensionMismatch`, `.noConvergence`.
  public func distance(to other: GaussianStatistics) throws(MetricsError) -> Double {
    try requireSameDimension(statistics.dimension, other.dimension)
    // Equal statistics have distance 0; the sum below would show its rounding instead.
    if statistics.mean == other.mean && statistics.covariance == other.covariance { return 0 }
    let means = zip(statistics.mean, other.mean).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return max(0, means + statistics.trace + other.trace - 2 * (try sharedDeviation(other)))
  }

  /// Tr (S1^1/2 S2 S1^1/2)^1/2.
  private func sharedDeviation(_ other: GaussianStatistics) throws(MetricsError) -> Double {
    let (d, a, b) = (statistics.dimension, factor, semidefiniteFactor(other.covariance, d: other.dimension))
    if a.rank == 0 || b.rank == 0 { return 0 }
    let cross = a.elements.withUnsafeBufferPointer { f in
      b.elements.withUnsafeBufferPointer {
        device.product(f.baseAddress!, $0.baseAddress!, transposed: true, m: a.rank, n: b.rank, k: d)
      }
    }
    var gram = cross.withUnsafeBufferPointer {
      a.rank < b.rank
        ? device.product($0.baseAddress!, $0.baseAddress!, transposed: true, m: a.rank, n: a.rank, k: b.rank)
        : device.gramMatrix($0.baseAddress!, n: a.rank, d: b.rank)
    }
    return try symmetricEigenvalues(&gram, n: min(a.rank, b.rank)).reduce(0) { $0 + max(0, $1).squareRoot() }
  }
}
