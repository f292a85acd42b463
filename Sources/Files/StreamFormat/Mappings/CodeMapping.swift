/// A relation between the codes of two codebooks: a new order, or fine codes to coarse ones.
public struct CodeMapping: Equatable, Sendable {
  /// Which codes go where.
  public enum Relation: Equatable, Sendable {
    /// Each new code is one old code. `oldToNew[old]` and `newToOld[new]` are inverse to each other.
    case permutation(oldToNew: [Int], newToOld: [Int])
    /// `labels[fine]` is the coarse code, from 0 to below `coarseCount`.
    case fineToCoarse(labels: [Int], coarseCount: Int)
  }

  /// Which codes go where.
  public let relation: Relation
  /// SHA-256 of the codebook that tokens have before.
  public let sourceCodebookSHA256: String
  /// SHA-256 of the codebook that tokens have after.
  public let targetCodebookSHA256: String
  /// Codes of one cluster where all clusters are equal, as successive new codes; nil where they are not.
  public let clusterSize: Int?
  /// Statistics of the clusters as a JSON object.
  public let statistics: String?

  /// A new order of the codes.
  /// - Precondition: `newToOld` has each of 0..<count once; the cluster size divides the count.
  public init(
    newToOld: [Int], sourceCodebookSHA256: String, targetCodebookSHA256: String,
    clusterSize: Int? = nil, statistics: String? = nil
  ) {
    guard let oldToNew = inverse(newToOld) else { preconditionFailure("newToOld is no permutation") }
    if let clusterSize { precondition(clusterSize > 0 && newToOld.count % clusterSize == 0) }
    self.relation = .permutation(oldToNew: oldToNew, newToOld: newToOld)
    self.sourceCodebookSHA256 = sourceCodebookSHA256
    self.targetCodebookSHA256 = targetCodebookSHA256
    self.clusterSize = clusterSize
    self.statistics = statistics
  }

  /// Coarse labels of the codes.
  /// - Precondition: Every label is from 0 to below `coarseCount`.
  public init(
    fineToCoarse: [Int], coarseCount: Int, sourceCodebookSHA256: String, targetCodebookSHA256: String,
    clusterSize: Int? = nil, statistics: String? = nil
  ) {
    precondition(fineToCoarse.allSatisfy { (0..<coarseCount).contains($0) }, "a label beyond coarseCount")
    self.relation = .fineToCoarse(labels: fineToCoarse, coarseCount: coarseCount)
    self.sourceCodebookSHA256 = sourceCodebookSHA256
    self.targetCodebookSHA256 = targetCodebookSHA256
    self.clusterSize = clusterSize
    self.statistics = statistics
  }

  /// Coarse labels of the codes; the target's hash is made of the source's and of the labels, so that two
  /// clusterings of one codebook, and models of their tokens, are told apart.
  /// - Precondition: Every label is from 0 to below `coarseCount`.
  public init(
    fineToCoarse: [Int], coarseCount: Int, sourceCodebookSHA256: String, clusterSize: Int? = nil,
    statistics: String? = nil
  ) {
    let labels = fineToCoarse.flatMap { withUnsafeBytes(of: UInt32($0).littleEndian, Array.init) }
    self.init(
      fineToCoarse: fineToCoarse, coarseCount: coarseCount, sourceCodebookSHA256: sourceCodebookSHA256,
      targetCodebookSHA256: SHA256Hasher.hex(of: Array(sourceCodebookSHA256.utf8) + labels),
      clusterSize: clusterSize, statistics: statistics)
  }

  /// The code or label that each old code becomes.
  public var table: [Int] {
    switch relation {
    case .permutation(let oldToNew, _): oldToNew
    case .fineToCoarse(let labels, _): labels
    }
  }

  /// The number of codes before.
  public var sourceCount: Int { table.count }

  /// The number of codes after.
  public var targetCount: Int {
    switch relation {
    case .permutation(let oldToNew, _): oldToNew.count
    case .fineToCoarse(_, let coarseCount): coarseCount
    }
  }

  /// Where each old code goes, of a permutation.
  public var oldToNew: [Int]? {
    if case .permutation(let oldToNew, _) = relation { oldToNew } else { nil }
  }

  /// Where each new code comes from, of a permutation.
  public var newToOld: [Int]? {
    if case .permutation(_, let newToOld) = relation { newToOld } else { nil }
  }
}

/// The inverse of a permutation of 0..<count, or nil if it is none.
func inverse(_ permutation: [Int]) -> [Int]? {
  var inverse = [Int](repeating: -1, count: permutation.count)
  for (index, value) in permutation.enumerated() {
    guard inverse.indices.contains(value), inverse[value] < 0 else { return nil }
    inverse[value] = index
  }
  return inverse
}
