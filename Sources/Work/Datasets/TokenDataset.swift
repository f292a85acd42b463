import Codebooks
import StreamFormat

/// A token file in memory.
public struct TokenDataset: Sendable {
  /// Codebook, grid, classes and views of the file.
  public let header: TokenHeader
  private let tokens: [UInt32]
  /// Class of each image.
  public let labels: [Int]

  /// The tokens and labels of a whole file.
  public init(_ batch: TokenBatch) {
    header = batch.header
    tokens = batch.tokens
    labels = batch.labels.map(Int.init)
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
    tokens.withUnsafeBytes { t in
      labels.withUnsafeBytes { l in SHA256Hasher.hex(of: Array(t) + Array(l)) }
    }
  }

  /// Entropy of the token frequencies over all views, in nats: the loss of a model that predicts each token
  /// by its frequency alone.
  public var unigramEntropy: Double {
    var usage = CodeUsage(codes: header.vocabSize)
    usage.add(tokens)
    return usage.entropy
  }
}
