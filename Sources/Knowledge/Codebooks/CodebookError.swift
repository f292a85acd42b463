/// Errors in codes, sizes and permutations of a user.
public enum CodebookError: Error, Equatable, Sendable {
  /// The cluster size does not divide the number of codes.
  case indivisible(codes: Int, clusterSize: Int)
  /// A vector holds NaN or infinity.
  case notFinite(vector: Int)
  /// There are fewer vectors than centroids.
  case tooFewVectors(vectors: Int, centroids: Int)
  /// The given first centroids are not the required number of distinct rows.
  case badStart(rows: Int, centroids: Int, codes: Int)
  /// A cluster does not have exactly its size.
  case unbalanced(cluster: Int, members: Int, clusterSize: Int)
  /// A code is said to be in a cluster that does not exist.
  case outOfRange(code: Int, cluster: Int, clusterCount: Int)
  /// A cluster has no code.
  case emptyCluster(cluster: Int)
  /// A list does not hold every number of 0..<count exactly once.
  case notABijection(position: Int, value: Int, count: Int)
}

extension CodebookError: CustomStringConvertible {
  /// One sentence: what was expected, what was found and what to try.
  public var description: String {
    switch self {
    case .indivisible(let codes, let size):
      return
        "\(codes) codes cannot be split into clusters of \(size); choose a cluster size that divides \(codes)"
    case .notFinite(let vector):
      return "vector \(vector) holds NaN or infinity where every component must be finite"
    case .tooFewVectors(let vectors, let centroids):
      return
        "\(centroids) centroids need as many vectors to start from, found \(vectors); use more images or fewer codes"
    case .badStart(let rows, let centroids, let codes):
      return
        "the first centroids must be \(centroids) distinct rows of 0..<\(codes), found \(rows) rows or a bad one"
    case .unbalanced(let cluster, let members, let size):
      return "cluster \(cluster) must have exactly \(size) codes, found \(members)"
    case .outOfRange(let code, let cluster, let count):
      return "code \(code) must be in one of the clusters 0..<\(count), found cluster \(cluster)"
    case .emptyCluster(let cluster):
      return "cluster \(cluster) must have at least one code, found none"
    case .notABijection(let position, let value, let count):
      return
        "a permutation must hold each of 0..<\(count) once, but position \(position) holds \(value) again or out of range"
    }
  }
}
