import Codebooks
import StreamFormat

/// The tokens of a file, to be read in any order. Many of them lie in a temporary file and not in memory.
public struct TokenDataset: Sendable {
  /// Codebook, grid, classes and views of the file.
  public let header: TokenHeader
  private let tokens: TokenStorage
  /// Class of each image.
  public let labels: [Int]
  /// Images that were listed when the tokens were made: those that are here, those that were skipped, and those of other
  /// shards.
  public let listedCount: Int
  /// Place of each image among those that were listed, ascending.
  public let listedPlaces: [Int]
  /// Of a file that is one shard by itself.
  public let shard: Shard?
  /// What stands in place of each code of the file; nil for the codes themselves.
  private let codes: [UInt32]?

  /// The tokens and labels of a whole file.
  public init(_ batch: TokenBatch) {
    header = batch.header
    tokens = TokenStorage(batch.tokens, below: header.vocabSize)
    labels = batch.labels.map(Int.init)
    (listedCount, listedPlaces) = (batch.wholeListedCount, batch.wholeListedPlaces)
    (shard, codes) = (batch.shard, nil)
  }

  /// What is left of a token file.
  /// - Parameter memory: bytes of tokens to keep in memory; more of them go into a temporary file.
  /// - Throws: `FormatError`, `StreamError`.
  public init(_ reader: TokenReader, memory: Int = 1 << 28) throws {
    header = reader.header
    var (labels, skipped, listed): ([Int], [Int], Int) = ([], [], 0)
    tokens = try TokenStorage(below: header.vocabSize, memory: memory, name: reader.name) {
      guard let batch = try reader.next() else { return nil }
      labels += batch.labels.map(Int.init)
      skipped += batch.skipped.map { listed + Int($0) }
      listed += batch.listedCount
      return batch.tokens
    }
    let absent = Set(skipped)
    let lone = reader.loneShard
    (self.labels, listedCount, shard, codes) = (labels, lone?.total ?? listed, lone, nil)
    listedPlaces = (0..<listed).filter { !absent.contains($0) }.map { (lone?.first ?? 0) + $0 }
  }

  private init(_ other: TokenDataset, header: TokenHeader, labels: [Int], codes: [UInt32]?) {
    (self.header, tokens, self.labels, self.codes) = (header, other.tokens, labels, codes)
    (listedCount, listedPlaces, shard) = (other.listedCount, other.listedPlaces, other.shard)
  }

  /// The same images with the class `classes[label]` in place of each label.
  /// - Parameter classes: a number for each class of the file.
  public func relabelled(_ classes: [Int]) -> TokenDataset {
    TokenDataset(self, header: header, labels: labels.map { classes[$0] }, codes: codes)
  }

  /// The same images in another codebook, whose tokens are computed as they are read.
  /// - Parameters:
  ///   - header: of the same grid and views.
  ///   - table: what stands in place of each code, below the vocabulary of `header`.
  public func mapped(to header: TokenHeader, _ table: [UInt32]) -> TokenDataset {
    precondition(
      table.count == self.header.vocabSize && header.tokensPerView == self.header.tokensPerView
        && header.viewCount == self.header.viewCount,
      "TokenDataset: a table of \(table.count) codes for \(self.header.vocabSize)")
    let codes = codes.map { $0.map { table[Int($0)] } } ?? table
    return TokenDataset(self, header: header, labels: labels, codes: codes)
  }

  /// Number of images.
  public var count: Int { labels.count }

  /// Tokens of one view of an image, raster order.
  public func tokens(item: Int, view: Int) -> ArraySlice<UInt32> {
    let first = (item * header.viewCount + view) * header.tokensPerView
    return inCodes(tokens[first..<first + header.tokensPerView])
  }

  private func inCodes(_ part: ArraySlice<UInt32>) -> ArraySlice<UInt32> {
    guard let codes else { return part }
    return ArraySlice(part.map { codes[Int($0)] })
  }

  /// Labels and tokens of a batch, image after image.
  public func batch(_ places: [(item: Int, view: Int)]) -> (labels: [Int], tokens: [Int]) {
    (places.map { labels[$0.item] }, places.flatMap { tokens(item: $0.item, view: $0.view).map(Int.init) })
  }

  /// The images among places that were listed, with all their views, as a batch of its own.
  public func part(_ places: Range<Int>) -> TokenBatch {
    let items = firstItem(from: places.lowerBound)..<firstItem(from: places.upperBound)
    let perImage = header.viewCount * header.tokensPerView
    let present = Set(listedPlaces[items])
    return TokenBatch(
      header: header,
      tokens: Array(inCodes(tokens[items.lowerBound * perImage..<items.upperBound * perImage])),
      labels: labels[items].map { UInt32($0) },
      skipped: places.filter { !present.contains($0) }.map { UInt32($0 - places.lowerBound) })
  }

  /// The first image whose place is not before a given one, by bisection.
  private func firstItem(from place: Int) -> Int {
    var items = 0..<count
    while !items.isEmpty {
      let middle = items.lowerBound + items.count / 2
      items = listedPlaces[middle] < place ? middle + 1..<items.upperBound : items.lowerBound..<middle
    }
    return items.lowerBound
  }

  /// SHA-256 over tokens, labels and, where images were skipped, the places of those that are here, to tell whether a checkpoint
  /// belongs to this data. The places decide which images are held out.
  public var sha256: String {
    var hasher = SHA256Hasher()
    tokens.forEachPart { part in inCodes(part).withUnsafeBytes { hasher.update($0) } }
    labels.withUnsafeBytes { hasher.update($0) }
    if listedCount != count || listedPlaces != Array(0..<count) {
      ([listedCount] + listedPlaces).withUnsafeBytes { hasher.update($0) }
    }
    return hasher.finish()
  }

  /// Entropy of the token frequencies over all views, in nats: the loss of a model that predicts each token
  /// by its frequency alone.
  public var unigramEntropy: Double {
    var usage = CodeUsage(codes: header.vocabSize)
    tokens.forEachPart { usage.add(inCodes($0)) }
    return usage.entropy
  }
}
