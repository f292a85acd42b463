import Codebooks
import StreamFormat

/// A token file in memory.
public struct TokenDataset: Sendable {
  /// Codebook, grid, classes and views of the file.
  public let header: TokenHeader
  private let tokens: [UInt32]
  /// Class of each image.
  public let labels: [Int]
  /// Images that were listed when the tokens were made: those that are here, those that were skipped, and those of other
  /// shards.
  public let listedCount: Int
  /// Place of each image among those that were listed, ascending.
  public let listedPlaces: [Int]

  /// The tokens and labels of a whole file.
  public init(_ batch: TokenBatch) {
    header = batch.header
    tokens = batch.tokens
    labels = batch.labels.map(Int.init)
    (listedCount, listedPlaces) = (batch.wholeListedCount, batch.wholeListedPlaces)
  }

  private init(_ other: TokenDataset, labels: [Int]) {
    (header, tokens, self.labels) = (other.header, other.tokens, labels)
    (listedCount, listedPlaces) = (other.listedCount, other.listedPlaces)
  }

  /// The same images with the class `classes[label]` in place of each label.
  /// - Parameter classes: a number for each class of the file.
  public func relabelled(_ classes: [Int]) -> TokenDataset {
    TokenDataset(self, labels: labels.map { classes[$0] })
  }

  /// Number of images.
  public var count: Int { labels.count }

  /// Tokens of one view of an image, raster order.
  public func tokens(item: Int, view: Int) -> ArraySlice<UInt32> {
    let first = (item * header.viewCount + view) * header.tokensPerView
    return tokens[first..<first + header.tokensPerView]
  }

  /// Labels and tokens of a batch, image after image.
  public func batch(_ places: [(item: Int, view: Int)]) -> (labels: [Int], tokens: [Int]) {
    (places.map { labels[$0.item] }, places.flatMap { tokens(item: $0.item, view: $0.view).map(Int.init) })
  }

  /// SHA-256 over tokens and labels, to tell whether a checkpoint belongs to this data.
  public var sha256: String {
    var hasher = SHA256Hasher()
    // In place: a copy of a large data set fills a machine.
    tokens.withUnsafeBytes { hasher.update($0) }
    labels.withUnsafeBytes { hasher.update($0) }
    return hasher.finish()
  }

  /// Entropy of the token frequencies over all views, in nats: the loss of a model that predicts each token
  /// by its frequency alone.
  public var unigramEntropy: Double {
    var usage = CodeUsage(codes: header.vocabSize)
    usage.add(tokens)
    return usage.entropy
  }
}
