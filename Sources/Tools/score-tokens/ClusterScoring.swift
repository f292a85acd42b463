import Codebooks
import Evaluation
import ImageModels
import StreamFormat
import SuiteOptions
import ToolRuntime

/// The clusters that scores of clusters are of: those of a mapping, or blocks of successive codes, which mean something only in a
/// rearranged codebook.
struct ClusterScoring {
  private let mapping: (content: CodeMapping, path: String)?
  /// The size of a block, where it is given.
  private let size: Int?
  /// Of the mapping.
  let sha256: String?

  /// - Throws: `FormatError`, `StreamError`.
  init(mapping input: InputPath?, size: Int?, hashed: Bool, _ session: ToolSession) throws {
    let record = try input.map { try session.readRecord($0) }
    mapping = try record.map { (try CodeMapping($0), input?.path ?? "") }
    sha256 = hashed ? record?.sha256 : nil
    self.size = size
  }

  /// The clusters of the codes that tokens have; nil of a model without any.
  /// - Throws: `ToolError` (bad data).
  func clusters(
    of header: TokenHeader, in tokens: String, _ description: ModelDescription, _ session: ToolSession
  ) throws -> GroupedItems? {
    if let (content, path) = mapping {
      try session.requireSameCodebook(
        header, of: tokens, as: content.sourceCodebookSHA256, codes: content.sourceCount, of: path)
      guard let clusters = GroupedItems(content) else {
        throw ToolError(
          .badData, path, expected: "clusters", found: "a permutation without cluster_size",
          try: "the mapping that rearrange-codebook wrote")
      }
      return clusters
    }
    let size = size ?? description.clusterSize
    guard size == 0 || header.vocabSize % size == 0 else {
      throw ToolError(
        .badData, "--cluster-size", expected: "a divisor of the \(header.vocabSize) codes", found: "\(size)",
        try: "the size that rearrange-codebook was given")
    }
    if size > 0, description.clusterSize == 0 {
      session.warn(
        "--cluster-size: the model was trained without clusters; the cluster scores are of blocks of \(size) codes in the "
          + "order of this codebook; --mapping scores by the clusters of another order")
    }
    return GroupedItems(header.vocabSize, inBlocksOf: size)
  }
}
