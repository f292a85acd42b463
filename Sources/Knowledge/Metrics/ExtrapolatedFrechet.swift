import TensorCore

/// Fréchet distance extrapolated to infinitely many samples (Chong and Forsyth 2020): the distance is biased
/// by an amount that falls as 1/N, so distances of random subsets of several sizes lie on a line over 1/N,
/// whose value at 0 is the estimate.
public struct ExtrapolatedFrechet: Sendable, Equatable {
  /// The estimate.
  public let value: Double
  /// Its standard error, from the scatter of the points around the line.
  public let standardError: Double
  /// Subset sizes and their distances, ascending.
  public let points: [Point]

  /// The distance of one subset.
  public struct Point: Sendable, Equatable {
    /// Samples in the subset.
    public let count: Int
    /// Its distance to the reference.
    public let distance: Double
  }

  /// Draws subsets of `pointCount` evenly spaced sizes, from `smallest` to all samples, each anew.
  ///
  /// - Parameter smallest: by default a tenth of the samples, but more than the features have dimensions (the
  ///   covariance of fewer is singular, and its bias another) where half of the samples suffice for that.
  /// - Throws: `MetricsError`; at least 20 samples are needed.
  public init(
    reference: GaussianStatistics, samples: FeatureMatrix, pointCount: Int = 15, smallest: Int? = nil,
    seed: UInt64, on device: Device
  ) throws(MetricsError) {
    precondition(pointCount >= 3, "a line with a standard error needs three points")
    try require(20, for: "FID extrapolated", found: samples.count)
    let n = samples.count
    let first = smallest ?? max(n / 10, min(samples.dimension + 1, n / 2))
    let distance = FrechetDistance(to: reference, on: device)
    var points: [Point] = []
    for i in 0..<pointCount {
      let count = first + (n - first) * i / (pointCount - 1)
      var random = CounterRandom(seed: seed, purpose: .metricSubsets, index: UInt64(i))
      let subset = count == n ? samples : samples.rows(random.permutation(n).prefix(count))
      let value = try distance.distance(to: GaussianStatistics(subset, on: device))
      points.append(Point(count: count, distance: value))
    }
    (value, standardError) = Self.intercept(points.map { (1 / Double($0.count), $0.distance) })
    self.points = points
  }

  /// The least-squares line's value at 0 and that value's standard error.
  static func intercept(_ points: [(x: Double, y: Double)]) -> (value: Double, standardError: Double) {
    let n = Double(points.count)
    let meanX = points.reduce(0) { $0 + $1.x } / n
    let meanY = points.reduce(0) { $0 + $1.y } / n
    let spread = points.reduce(0) { $0 + ($1.x - meanX) * ($1.x - meanX) }
    // If all subsets have one size, there is no line, and the estimate is their mean.
    if spread == 0 { return (meanY, .infinity) }
    let slope = points.reduce(0) { $0 + ($1.x - meanX) * ($1.y - meanY) } / spread
    let value = meanY - slope * meanX
    let residual = points.reduce(0) { $0 + ($1.y - value - slope * $1.x) * ($1.y - value - slope * $1.x) }
    return (value, (residual / (n - 2) * (1 / n + meanX * meanX / spread)).squareRoot())
  }
}
