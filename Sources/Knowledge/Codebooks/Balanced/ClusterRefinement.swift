import TensorCore

/// Improves balanced clusters beyond IAR's greedy k-means: fewer squared distances within clusters, all
/// clusters as large as before.
///
/// Exchanges between pairs of clusters lead to a local optimum that no swap of two codes improves
/// (`ClusterExchange`). Before that, an annealed search (`BalancedAnnealing`) looks for a better start. The
/// better of both results is kept, so that the sum never rises.
public struct ClusterRefinement: Sendable {
  /// Rounds of the annealed search: 0 for none; nil for as many as a few seconds of two cores allow.
  public var annealingSteps: Int?
  /// Largest number of passes over all pairs of clusters; there are fewer at a local optimum.
  public var maximumPasses: Int
  /// The run's seed.
  public var seed: UInt64

  /// - Parameters:
  ///   - annealingSteps: rounds of the annealed search, nil to choose by the size of the task.
  ///   - maximumPasses: the most passes over all pairs of clusters.
  ///   - seed: the run's seed.
  public init(annealingSteps: Int? = nil, maximumPasses: Int = 50, seed: UInt64 = 0) {
    precondition(
      (annealingSteps ?? 0) >= 0 && maximumPasses > 0,
      "ClusterRefinement: \(annealingSteps ?? 0) steps, \(maximumPasses) passes")
    (self.annealingSteps, self.maximumPasses, self.seed) = (annealingSteps, maximumPasses, seed)
  }

  /// The result of a run. MSEs are means over codes and components, as `ClusterStatistics.innerMSE`.
  public struct Result: Sendable {
    public let clusters: BalancedPartition
    /// Of the clusters given.
    public let innerMSEBefore: Double
    /// Of the clusters found; never above the former.
    public let innerMSE: Double
    /// Passes of exchanges that led to them.
    public let passes: Int
    /// Whether they came from the annealed search.
    public let annealed: Bool
  }

  /// Refines `clusters` of `codes` (the vectors that were clustered). The result depends neither on time
  /// nor on the number of threads.
  ///
  /// Throws `CodebookError.notFinite`.
  public func run(_ codes: CodeVectors, _ clusters: BalancedPartition, on device: Device)
    throws(CodebookError) -> Result
  {
    precondition(codes.count == clusters.clusterOf.count, "ClusterRefinement: \(codes.count) codes")
    try codes.requireFinite()
    let before = clusters.withinClusterSum(codes)
    var best = (clusters: clusters, sum: before, passes: 0, annealed: false)
    func descend(from start: BalancedPartition, annealed: Bool) {
      let exchange = ClusterExchange(codes, start)
      let passes = exchange.descend(maximumPasses: maximumPasses, on: device)
      let found = exchange.clusters()
      let sum = found.withinClusterSum(codes)
      if sum < best.sum { best = (found, sum, passes, annealed) }
    }
    descend(from: clusters, annealed: false)
    let steps = annealingSteps ?? Self.affordableSteps(codes: codes.count, clusters: clusters.clusterCount)
    if steps > 0, clusters.clusterCount > 1, clusters.clusterSize > 1, best.sum > 0 {
      let search = BalancedAnnealing(steps: steps, seed: seed)
      descend(from: search.run(codes, best.clusters, on: device), annealed: true)
    }
    let components = Double(codes.elements.count)
    return Result(
      clusters: best.clusters, innerMSEBefore: before / components, innerMSE: best.sum / components,
      passes: best.passes, annealed: best.annealed)
  }

  /// A bounded number of distances, which is most of the work.
  private static func affordableSteps(codes: Int, clusters: Int) -> Int {
    min(4000, max(200, 8_000_000_000 / (codes * clusters)))
  }
}
