import TensorCore

/// k-means (Lloyd): clusters of any size. It gives a tokenizer its first codes from the first latents, and
/// CTF its coarse labels.
public struct KMeans: Sendable {
  /// What to do with a centroid that is nearest to no vector.
  public enum EmptyClusters: Sendable {
    /// It stays where it is.
    case keepMean
    /// It takes the vector that is farthest from its own centroid, of those that are not alone: no cluster
    /// is empty, and the error falls.
    case takeFarthest
  }

  /// Number of centroids.
  public var count: Int
  /// How the first centroids are chosen.
  public var start: ClusterStart
  /// Largest number of rounds of assignment; there are fewer if no vector changes its centroid.
  public var maximumIterations: Int
  /// Independent runs, of which the one with the smallest error is kept.
  public var restarts: Int
  /// What to do with empty clusters.
  public var emptyClusters: EmptyClusters
  /// The run's seed.
  public var seed: UInt64

  /// - Parameters:
  ///   - count: number of centroids.
  ///   - start: how the first centroids are chosen.
  ///   - maximumIterations: the most rounds of assignment of each run.
  ///   - restarts: independent runs; given rows allow only one.
  ///   - emptyClusters: what becomes of empty clusters.
  ///   - seed: the run's seed.
  public init(
    count: Int, start: ClusterStart = .kMeansPlusPlus, maximumIterations: Int = 20, restarts: Int = 1,
    emptyClusters: EmptyClusters = .keepMean, seed: UInt64 = 0
  ) {
    precondition(
      count > 0 && maximumIterations > 0 && restarts > 0,
      "KMeans: \(count) centroids, \(maximumIterations) iterations, \(restarts) restarts")
    (self.count, self.start, self.emptyClusters) = (count, start, emptyClusters)
    (self.maximumIterations, self.restarts, self.seed) = (maximumIterations, restarts, seed)
  }

  /// The result of a run.
  public struct Result: Sendable {
    /// Means of the clusters; a cluster without vectors keeps its last mean.
    public let centroids: CodeVectors
    /// Centroid of each vector, as last assigned.
    public let clusterOf: [UInt32]
    /// Mean over vectors and components of the squared difference to `centroids`.
    public let meanSquaredError: Double
    /// Rounds of assignment.
    public let iterations: Int
    /// Whether the last round changed nothing.
    public let converged: Bool
    /// Number of the restart, from 0.
    public let restart: Int
  }

  /// Clusters `vectors`. The result does not depend on the number of threads.
  ///
  /// Throws `CodebookError` when a vector is not finite or there are fewer vectors than centroids.
  public func run(_ vectors: CodeVectors, on device: Device) throws(CodebookError) -> Result {
    try vectors.requireFinite()
    var best: Result?
    for restart in 0..<restarts {
      var random = CounterRandom(seed: seed, purpose: .clustering, index: UInt64(restart))
      let rows = try start.choose(count, of: vectors, random: &random, on: device)
      let result = iterate(vectors, from: vectors.rows(rows), restart: restart, on: device)
      if best.map({ result.meanSquaredError < $0.meanSquaredError }) ?? true { best = result }
      if case .rows = start { break }
    }
    guard let best else { preconditionFailure("KMeans: no restart ran") }
    return best
  }

  private func iterate(_ vectors: CodeVectors, from start: CodeVectors, restart: Int, on device: Device)
    -> Result
  {
    var (centroids, clusterOf) = (start, [UInt32]())
    var (iterations, converged) = (0, false)
    while iterations < maximumIterations && !converged {
      iterations += 1
      var (next, distances) = NearestCode(centroids, on: device).find(vectors)
      if emptyClusters == .takeFarthest { fillEmptyClusters(of: &next, distances) }
      converged = next == clusterOf
      clusterOf = next
      if !converged { centroids = vectors.means(clusterOf: clusterOf, previous: centroids) }
    }
    let error = vectors.squaredError(clusterOf: clusterOf, centroids: centroids)
    return Result(
      centroids: centroids, clusterOf: clusterOf, meanSquaredError: error / Double(vectors.elements.count),
      iterations: iterations, converged: converged, restart: restart)
  }

  /// Moves vectors that are far from their centroid, the farthest first, into the empty clusters.
  private func fillEmptyClusters(of clusterOf: inout [UInt32], _ distances: [Float]) {
    var sizes = [Int](repeating: 0, count: count)
    for cluster in clusterOf { sizes[Int(cluster)] += 1 }
    var empty = sizes.indices.filter { sizes[$0] == 0 }[...]
    if empty.isEmpty { return }
    let farthestFirst = distances.indices.sorted {
      distances[$0] == distances[$1] ? $0 < $1 : distances[$0] > distances[$1]
    }
    for row in farthestFirst where sizes[Int(clusterOf[row])] > 1 {
      guard let cluster = empty.popFirst() else { return }
      sizes[Int(clusterOf[row])] -= 1
      clusterOf[row] = UInt32(cluster)
    }
  }
}
