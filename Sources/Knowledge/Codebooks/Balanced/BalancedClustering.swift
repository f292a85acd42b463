import TensorCore

/// Balanced k-means (IAR, section 3.2 and algorithm 1): clusters of exactly `clusterSize` codes.
///
/// The paper clusters l2-normalised codes: pass `codes.normalized(on:)`, or the codes themselves for raw
/// distances. A round assigns greedily, so that the error may rise from one round to the next.
public struct BalancedClustering: Sendable {
  /// Codes in each cluster; must divide the number of codes.
  public var clusterSize: Int
  /// How the first centroids are chosen.
  public var start: ClusterStart
  /// Largest number of rounds; there are fewer if the centroids stop moving.
  public var maximumIterations: Int
  /// Which clusters are given when the centroids still move after the last round: those of that round, as in the paper,
  /// or the best ones met.
  public var keepsLastRound: Bool
  /// Independent runs, of which the one with the smallest error is kept.
  public var restarts: Int
  /// The run's seed.
  public var seed: UInt64

  /// - Parameters:
  ///   - clusterSize: codes in each cluster.
  ///   - start: how the first centroids are chosen.
  ///   - maximumIterations: the most rounds of each run.
  ///   - restarts: independent runs; given rows allow only one.
  ///   - keepsLastRound: at an early stop the clusters are those of the last round, not the best ones met.
  ///   - seed: the run's seed.
  public init(
    clusterSize: Int, start: ClusterStart = .random, maximumIterations: Int = 100, restarts: Int = 1,
    keepsLastRound: Bool = false, seed: UInt64 = 0
  ) {
    precondition(
      maximumIterations > 0 && restarts > 0,
      "BalancedClustering: \(maximumIterations) iterations, \(restarts) restarts")
    (self.clusterSize, self.start, self.maximumIterations) = (clusterSize, start, maximumIterations)
    (self.restarts, self.keepsLastRound, self.seed) = (restarts, keepsLastRound, seed)
  }

  /// The result of a run.
  public struct Result: Sendable {
    public let clusters: BalancedPartition
    /// Mean over codes and components of the squared difference to the cluster's mean.
    public let innerMSE: Double
    /// Rounds of assignment.
    public let iterations: Int
    /// Whether the centroids stopped moving.
    public let converged: Bool
    /// Number of the restart, from 0.
    public let restart: Int
  }

  /// Clusters `codes`. The result does not depend on the number of threads. When the centroids still
  /// move after the last round, the best clusters met are returned, or those of that round if ``keepsLastRound``.
  /// - Parameter progress: called after each round with its number (from 1) and inner MSE.
  ///
  /// Throws `CodebookError` when the size does not divide, a code is not finite, or given first rows are
  /// not distinct rows of the codes.
  public func run(
    _ codes: CodeVectors, on device: Device,
    progress: (_ iteration: Int, _ innerMSE: Double) -> Void = { _, _ in }
  ) throws(CodebookError) -> Result {
    try codes.requireFinite()
    let count = try BalancedPartition.clusterCount(codes: codes.count, clusterSize: clusterSize)
    var best: Result?
    for restart in 0..<restarts {
      var random = CounterRandom(seed: seed, purpose: .clustering, index: UInt64(restart))
      let rows = try start.choose(count, of: codes, random: &random, on: device)
      let result = iterate(codes, from: codes.rows(rows), restart: restart, on: device, progress: progress)
      if best.map({ result.innerMSE < $0.innerMSE }) ?? true { best = result }
      if case .rows = start { break }
    }
    guard let best else { preconditionFailure("BalancedClustering: no restart ran") }
    return best
  }

  private func iterate(
    _ codes: CodeVectors, from start: CodeVectors, restart: Int, on device: Device,
    progress: (Int, Double) -> Void
  ) -> Result {
    var centroids = start
    var best: (clusterOf: [UInt32], error: Double) = ([], .infinity)
    for iteration in 1...maximumIterations {
      let clusterOf = assignGreedily(codes, to: centroids, clusterSize: clusterSize, on: device)
      let means = codes.means(clusterOf: clusterOf, previous: centroids)
      let error = codes.squaredError(clusterOf: clusterOf, centroids: means) / Double(codes.elements.count)
      progress(iteration, error)
      let converged = means == centroids
      if converged || keepsLastRound || error < best.error { best = (clusterOf, error) }
      if converged || iteration == maximumIterations {
        return Result(
          clusters: BalancedPartition(valid: best.clusterOf, clusterSize: clusterSize), innerMSE: best.error,
          iterations: iteration, converged: converged, restart: restart)
      }
      centroids = means
    }
    preconditionFailure("BalancedClustering: the last round returns")
  }
}
