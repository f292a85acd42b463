import COpenBLAS
import TensorCore

/// Mean and covariance of features.
public struct GaussianStatistics: Sendable, Equatable {
  /// Images behind the statistics; nil where a file does not tell.
  public let count: Int?
  /// Length of the mean.
  public var dimension: Int { mean.count }
  /// Mean of each feature.
  public let mean: [Double]
  /// Covariance [d, d], divided by n - 1, row-major.
  public let covariance: [Double]

  /// The most features that a covariance is computed of; it takes half a gigabyte.
  public static let maximumDimension = 8192

  /// Checks that a covariance of so many features fits.
  /// - Throws: `MetricsError.tooManyFeatures`.
  public static func requireDimension(_ d: Int) throws(MetricsError) {
    if d > maximumDimension { throw .tooManyFeatures(found: d, limit: maximumDimension) }
  }

  /// Statistics from a file.
  /// - Throws: `MetricsError.tooManyFeatures`, `.notFinite` (row 0 is the mean's) and `.notACovariance`.
  public init(count: Int?, mean: [Double], covariance: [Double]) throws(MetricsError) {
    let d = mean.count
    precondition(covariance.count == d * d, "GaussianStatistics: \(covariance.count) for \(d) features")
    guard d > 0 else { throw .notACovariance(reason: "a mean of no features") }
    try Self.requireDimension(d)
    if let bad = (mean + covariance).firstIndex(where: { !$0.isFinite }) {
      throw .notFinite(row: bad / d, column: bad % d)
    }
    for i in 0..<d where covariance[i * d + i] < 0 {
      throw .notACovariance(reason: "the variance \(covariance[i * d + i]) in column \(i)")
    }
    for i in 0..<d {
      for j in 0..<i {
        let (a, b) = (covariance[i * d + j], covariance[j * d + i])
        let scale = (covariance[i * d + i] * covariance[j * d + j]).squareRoot()
        if abs(a - b) > 1e-5 * scale + 1e-12 {
          throw .notACovariance(reason: "\(a) and \(b) in mirrored places (\(i), \(j))")
        }
      }
    }
    if let residual = indefiniteResidual(covariance, d: d) {
      throw .notACovariance(reason: "a matrix that no real factors give; \(residual) is left over")
    }
    self.init(trusted: count, mean, covariance)
  }

  /// Statistics of a whole set.
  /// - Throws: `MetricsError.tooManyFeatures`, and as ``GaussianAccumulator/statistics()``.
  public init(_ features: FeatureMatrix, on device: Device) throws(MetricsError) {
    try Self.requireDimension(features.dimension)
    var sums = GaussianAccumulator(dimension: features.dimension)
    sums.add(features, on: device)
    self = try sums.statistics()
  }

  fileprivate init(trusted count: Int?, _ mean: [Double], _ covariance: [Double]) {
    (self.count, self.mean, self.covariance) = (count, mean, covariance)
  }

  /// Sum of the variances.
  var trace: Double { (0..<dimension).reduce(0) { $0 + covariance[$1 * dimension + $1] } }
}

/// Gathers mean and covariance batch by batch in float64. Each batch is centred at its own mean before it
/// is squared, and batches are joined by the pairwise update of Chan, Golub and LeVeque: the result does
/// not depend on the order of the images or the size of the batches beyond rounding, and large means do
/// not cancel.
public struct GaussianAccumulator: Sendable {
  /// Images so far.
  public private(set) var count = 0
  private var mean: [Double]
  /// Sum of (x - mean)(x - mean)ᵀ.
  private var scatter: [Double]

  /// Length of the mean.
  public var dimension: Int { mean.count }

  /// No images yet.
  public init(dimension: Int) {
    mean = [Double](repeating: 0, count: dimension)
    scatter = [Double](repeating: 0, count: dimension * dimension)
  }

  /// Adds a batch [n, d].
  public mutating func add(_ features: FeatureMatrix, on device: Device) {
    let d = features.dimension
    precondition(d == mean.count, "GaussianAccumulator: \(d) features for \(mean.count)")
    if features.count == 0 { return }
    var batch = GaussianAccumulator(dimension: 0)
    batch.mean = features.columnMeans
    batch.count = features.count
    var centred = features.elements
    centred.withUnsafeMutableBufferPointer { x in
      for row in 0..<features.count { for k in 0..<d { x[row * d + k] -= batch.mean[k] } }
    }
    batch.scatter = centred.withUnsafeBufferPointer {
      device.gramMatrix($0.baseAddress!, n: features.count, d: d)
    }
    merge(batch)
  }

  /// Adds what another accumulator has gathered.
  public mutating func merge(_ other: GaussianAccumulator) {
    if other.count == 0 { return }
    if count == 0 {
      self = other
      return
    }
    let d = mean.count
    let total = Double(count + other.count)
    let weight = Double(count) * Double(other.count) / total
    let shift = zip(other.mean, mean).map { $0 - $1 }
    scatter.withUnsafeMutableBufferPointer { s in
      for i in 0..<s.count { s[i] += other.scatter[i] }
      cblas_dger(CblasRowMajor, Int32(d), Int32(d), weight, shift, 1, shift, 1, s.baseAddress, Int32(d))
    }
    for k in 0..<d { mean[k] += shift[k] * Double(other.count) / total }
    count += other.count
  }

  /// Mean and covariance of everything so far.
  /// - Throws: `MetricsError.tooFewImages` for fewer than 2, `.notFinite`.
  public func statistics() throws(MetricsError) -> GaussianStatistics {
    try require(2, for: "covariance", found: count)
    if let bad = mean.firstIndex(where: { !$0.isFinite }) { throw .notFinite(row: 0, column: bad) }
    return GaussianStatistics(trusted: count, mean, scatter.map { $0 / Double(count - 1) })
  }
}
