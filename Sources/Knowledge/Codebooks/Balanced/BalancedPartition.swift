/// A partition of codes into clusters of one size.
public struct BalancedPartition: Sendable, Equatable {
  /// Codes in each cluster.
  public let clusterSize: Int
  /// Number of clusters.
  public var clusterCount: Int { clusterOf.count / clusterSize }
  /// Cluster of each code.
  public let clusterOf: [UInt32]
  /// The same clusters as a partition of any sizes.
  public var partition: CodePartition { CodePartition(valid: clusterOf, clusterCount: clusterCount) }

  /// Throws `CodebookError` unless every cluster has exactly `clusterSize` codes.
  public init(clusterOf: [UInt32], clusterSize: Int) throws(CodebookError) {
    let count = try Self.clusterCount(codes: clusterOf.count, clusterSize: clusterSize)
    var members = [Int](repeating: 0, count: count)
    for (code, cluster) in clusterOf.enumerated() {
      guard cluster < count else {
        throw .outOfRange(code: code, cluster: Int(cluster), clusterCount: count)
      }
      members[Int(cluster)] += 1
    }
    if let bad = members.firstIndex(where: { $0 != clusterSize }) {
      throw .unbalanced(cluster: bad, members: members[bad], clusterSize: clusterSize)
    }
    self.init(valid: clusterOf, clusterSize: clusterSize)
  }

  init(valid clusterOf: [UInt32], clusterSize: Int) {
    (self.clusterOf, self.clusterSize) = (clusterOf, clusterSize)
  }

  /// Consecutive blocks of codes in their present order: the clusters of a rearranged codebook, or the
  /// comparison before it. Throws `CodebookError.indivisible`.
  public static func blocks(codes: Int, clusterSize: Int) throws(CodebookError) -> BalancedPartition {
    _ = try clusterCount(codes: codes, clusterSize: clusterSize)
    return BalancedPartition(valid: (0..<codes).map { UInt32($0 / clusterSize) }, clusterSize: clusterSize)
  }

  /// Number of clusters; throws `CodebookError.indivisible` when the size does not divide the codes.
  static func clusterCount(codes: Int, clusterSize: Int) throws(CodebookError) -> Int {
    guard clusterSize > 0, codes > 0, codes % clusterSize == 0 else {
      throw .indivisible(codes: codes, clusterSize: clusterSize)
    }
    return codes / clusterSize
  }

  /// Codes of all clusters, cluster after cluster, ascending inside each: cluster c's are at
  /// `c * clusterSize ..< (c + 1) * clusterSize`.
  public func members() -> [Int] { partition.members().flatMap(\.self) }
}
