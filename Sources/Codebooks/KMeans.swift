import TensorCore

/// Plain k-means (Lloyd): clusters of any size. It gives a tokenizer its first codes from the first
/// latents.
public struct KMeans: Sendable {
  /// Number of centroids.
  public var count: Int
  /// How the first centroids are chosen.
  public var start: ClusterStart
  /// The most rounds of assignment; fewer when no vector changes its centroid.
  public var maximumIterations: Int
  /// The run's seed.
  public var seed: UInt64

  /// - Parameters:
  ///   - count: number of centroids.
  ///   - start: how the first centroids are chosen.
  ///   - maximumIterations: the most rounds of assignment.
  ///   - seed: the run's seed.
  public init(
    count: Int, start: ClusterStart = .kMeansPlusPlus, maximumIterations: Int = 20, seed: UInt64 = 0
  ) {
    precondition(
      count > 0 && maximumIterations > 0, "KMeans: \(count) centroids, \(maximumIterations) iterations")
    (self.count, self.start) = (count, start)
    (self.maximumIterations, self.seed) = (maximumIterations, seed)
  }

  /// What a run found.
  public struct Result: Sendable {
    /// Means of the clusters; a cluster without vectors keeps its last mean.
    public let centroids: CodeVectors
    /// Centroid of each vector, as last assigned.
    public let clusterOf: [UInt32]
    /// Mean over vectors and components of the squared difference to `centroids`.
    public let meanSquaredError: Double
    /// Rounds of assignment.
    public let iterations: Int
  }

  /// Clusters `vectors`. The result does not depend on the number of threads.
  ///
  /// Throws `CodebookError` when a vector is not finite or there are fewer vectors than centroids.
  public func run(_ vectors: CodeVectors, on device: Device) throws(CodebookError) -> Result {
    try vectors.requireFinite()
    var random = CounterRandom(seed: seed, purpose: .clustering)
    var centroids = vectors.rows(try start.choose(count, of: vectors, random: &random, on: device))
    var clusterOf: [UInt32] = []
    var iterations = 0
    while iterations < maximumIterations {
      iterations += 1
      let next = NearestCode(centroids, on: device).find(vectors).codes
      if next == clusterOf { break }
      clusterOf = next
      centroids = vectors.means(clusterOf: clusterOf, previous: centroids)
    }
    let error = vectors.squaredError(clusterOf: clusterOf, centroids: centroids)
    return Result(
      centroids: centroids, clusterOf: clusterOf, meanSquaredError: error / Double(vectors.elements.count),
      iterations: iterations)
  }
}
