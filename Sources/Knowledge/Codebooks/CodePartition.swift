import TensorCore

/// A partition of codes into clusters of any size, none of them empty.
public struct CodePartition: Sendable, Equatable {
  /// Number of clusters.
  public let clusterCount: Int
  /// Cluster of each code.
  public let clusterOf: [UInt32]

  /// Throws `CodebookError` for a cluster beyond `clusterCount`, and for one without a code.
  public init(clusterOf: [UInt32], clusterCount: Int) throws(CodebookError) {
    if let code = clusterOf.firstIndex(where: { $0 >= clusterCount }) {
      throw .outOfRange(code: code, cluster: Int(clusterOf[code]), clusterCount: clusterCount)
    }
    self.init(valid: clusterOf, clusterCount: clusterCount)
    if let empty = sizes().firstIndex(of: 0) { throw .emptyCluster(cluster: empty) }
  }

  init(valid clusterOf: [UInt32], clusterCount: Int) {
    (self.clusterOf, self.clusterCount) = (clusterOf, clusterCount)
  }

  /// Random clusters, the ablation of CTF's section 5.5.2: each cluster gets one random code, each remaining
  /// code a random cluster. Sizes vary about K / M as those of k-means do.
  /// - Throws: `CodebookError.tooFewVectors` when there are more clusters than codes.
  public static func random(codes: Int, clusterCount: Int, seed: UInt64) throws(CodebookError)
    -> CodePartition
  {
    precondition(clusterCount > 0, "CodePartition.random: \(clusterCount) clusters")
    guard codes >= clusterCount else { throw .tooFewVectors(vectors: codes, centroids: clusterCount) }
    var random = CounterRandom(seed: seed, purpose: .clusterAssignment)
    var clusterOf = [UInt32](repeating: 0, count: codes)
    for (place, code) in random.permutation(codes).enumerated() {
      clusterOf[code] = UInt32(place < clusterCount ? place : random.integer(below: clusterCount))
    }
    return CodePartition(valid: clusterOf, clusterCount: clusterCount)
  }

  /// Codes in each cluster.
  public func sizes() -> [Int] {
    var sizes = [Int](repeating: 0, count: clusterCount)
    for cluster in clusterOf { sizes[Int(cluster)] += 1 }
    return sizes
  }

  /// Codes of each cluster, ascending.
  public func members() -> [[Int]] {
    var members = [[Int]](repeating: [], count: clusterCount)
    for (code, cluster) in clusterOf.enumerated() { members[Int(cluster)].append(code) }
    return members
  }

  /// Sum over all codes of the squared distance to their cluster's mean, in float64 (k-means' inertia).
  public func withinClusterSum(_ codes: CodeVectors) -> Double {
    let d = codes.dimension
    let sizes = sizes()
    var sums = [Double](repeating: 0, count: clusterCount * d)
    for (code, cluster) in clusterOf.enumerated() {
      for k in 0..<d { sums[Int(cluster) * d + k] += Double(codes.elements[code * d + k]) }
    }
    var total = 0.0
    for (code, cluster) in clusterOf.enumerated() {
      for k in 0..<d {
        let mean = sums[Int(cluster) * d + k] / Double(sizes[Int(cluster)])
        let difference = Double(codes.elements[code * d + k]) - mean
        total += difference * difference
      }
    }
    return total
  }
}
