/// Agglomerative clustering by average linkage of squared distances: the two clusters whose codes are, over
/// all pairs of one code of each, closest in the mean square are joined, until M are left. On codes of
/// length 1 that is average linkage by cosine distance, since |a - b|^2 = 2 - 2 cos(a, b).
///
/// Unlike k-means it weighs single codes and not means, so that dense and sparse parts of a codebook each get
/// clusters of their own width.
///
/// The mean square over pairs is |mean A - mean B|^2 + spread A + spread B, the spread being the mean squared
/// distance of a cluster's codes to their mean: no matrix of distances is needed, and memory is K d. The
/// linkage is reducible, so chains of nearest neighbours find the same tree as joining the closest pair of
/// all, in time K^2 d.
public struct AverageLinkage: Sendable {
  /// Clusters to stop at.
  public var clusterCount: Int

  /// - Parameter clusterCount: clusters to stop at.
  public init(clusterCount: Int) {
    precondition(clusterCount > 0, "AverageLinkage: \(clusterCount) clusters")
    self.clusterCount = clusterCount
  }

  /// One join of the tree: codes that stand for the two clusters, and their mean squared distance.
  private struct Join {
    let one: Int
    let other: Int
    let height: Double
  }

  /// Clusters `codes`; labels follow the clusters' first codes.
  ///
  /// Throws `CodebookError` when a code is not finite or there are fewer codes than clusters.
  public func run(_ codes: CodeVectors) throws(CodebookError) -> CodePartition {
    try codes.requireFinite()
    guard codes.count >= clusterCount else {
      throw .tooFewVectors(vectors: codes.count, centroids: clusterCount)
    }
    let lowest = tree(of: codes).enumerated().sorted {
      ($0.element.height, $0.offset) < ($1.element.height, $1.offset)
    }
    var parent = Array(0..<codes.count)
    for join in lowest.prefix(codes.count - clusterCount) {
      let (one, other) = (root(join.element.one, &parent), root(join.element.other, &parent))
      parent[max(one, other)] = min(one, other)
    }
    var labels: [Int: UInt32] = [:]
    let clusterOf = (0..<codes.count).map { code -> UInt32 in
      let root = root(code, &parent)
      let label = labels[root] ?? UInt32(labels.count)
      labels[root] = label
      return label
    }
    return CodePartition(valid: clusterOf, clusterCount: clusterCount)
  }

  private func root(_ code: Int, _ parent: inout [Int]) -> Int {
    var code = code
    while parent[code] != code {
      parent[code] = parent[parent[code]]
      code = parent[code]
    }
    return code
  }

  /// All joins, in the order in which chains of nearest neighbours find them.
  private func tree(of codes: CodeVectors) -> [Join] {
    var rest = LinkageState(codes)
    var joins: [Join] = []
    joins.reserveCapacity(codes.count)
    var chain: [Int] = []
    while rest.count > 1 {
      // Slots are given up from the end, so slot 0 is always taken.
      if chain.isEmpty { chain.append(0) }
      let last = chain[chain.count - 1]
      let before = chain.count > 1 ? chain[chain.count - 2] : nil
      let (nearest, height) = rest.nearest(to: last, preferring: before)
      guard nearest == before else {
        chain.append(nearest)
        continue
      }
      chain.removeLast(2)
      let (one, other) = (min(nearest, last), max(nearest, last))
      joins.append(Join(one: rest.code[one], other: rest.code[other], height: height))
      // Only rounding can put a cluster on the chain twice; what follows it is then no chain any more.
      if let twice = chain.firstIndex(where: { $0 == one || $0 == other }) { chain.removeSubrange(twice...) }
      let moved = rest.join(one, other)
      for place in chain.indices where chain[place] == moved { chain[place] = other }
    }
    return joins
  }
}
