/// The tokens and labels of some images.
public struct TokenBatch: Equatable, Sendable {
  /// What all batches of the file agree on.
  public var header: TokenHeader
  /// Shape [images, views, tokens of a view], row-major.
  public var tokens: [UInt32]
  /// Shape [images].
  public var labels: [UInt32]
  /// Places, among the images that were listed for this batch, of those that were skipped because they could not be
  /// used, ascending. The held-out split counts listed images, so that skipping one moves no other.
  public var skipped: [UInt32]
  /// The shard that the images are a part of; nil where they are of a whole file.
  public var shard: Shard?

  /// A batch.
  /// - Precondition: The sizes agree with each other and with the header; the skipped places are such.
  public init(
    header: TokenHeader, tokens: [UInt32], labels: [UInt32], skipped: [UInt32] = [], shard: Shard? = nil
  ) {
    precondition(tokens.count == labels.count * header.viewCount * header.tokensPerView)
    precondition(
      arePlaces(skipped, among: labels.count + skipped.count), "skipped images out of order or out of range")
    self.header = header
    self.tokens = tokens
    self.labels = labels
    self.skipped = skipped
    self.shard = shard
  }

  /// The number of images.
  public var count: Int { labels.count }

  /// The number of images that were listed: those that are here and those that were skipped.
  public var listedCount: Int { labels.count + skipped.count }

  /// The place of each image among those that were listed, ascending.
  public var listedPlaces: [Int] {
    let absent = Set(skipped.map(Int.init))
    return (0..<listedCount).filter { !absent.contains($0) }
  }

  /// The number of images that were listed for the whole file, where this is all or a shard of it.
  public var wholeListedCount: Int { shard?.total ?? listedCount }

  /// The place of each image among those, ascending.
  public var wholeListedPlaces: [Int] {
    let first = shard?.first ?? 0
    return listedPlaces.map { first + $0 }
  }

  /// The images among places that were listed for this batch.
  public func part(_ places: Range<Int>) -> TokenBatch {
    let perImage = header.viewCount * header.tokensPerView
    func before(_ place: Int) -> Int { skipped.prefix { Int($0) < place }.count }
    let images = places.lowerBound - before(places.lowerBound)..<places.upperBound - before(places.upperBound)
    return TokenBatch(
      header: header, tokens: Array(tokens[images.lowerBound * perImage..<images.upperBound * perImage]),
      labels: Array(labels[images]),
      skipped: skipped.filter { places.contains(Int($0)) }.map { $0 - UInt32(places.lowerBound) })
  }

  /// Adds the images of another batch of the same file at the end.
  public mutating func append(_ other: TokenBatch) {
    let first = UInt32(listedCount)
    skipped += other.skipped.map { first + $0 }
    tokens += other.tokens
    labels += other.labels
  }

  /// The tokens of one view of one image.
  /// - Parameter view: its number; without it the centre view.
  public func tokens(image: Int, view: Int? = nil) -> ArraySlice<UInt32> {
    let start = (image * header.viewCount + (view ?? header.centerView)) * header.tokensPerView
    return tokens[start..<start + header.tokensPerView]
  }
}

// MARK: - Record form

extension TokenBatch {
  /// Reads a batch from a record.
  /// - Throws: ``FormatError`` for missing or misshapen tensors, and for tokens or labels out of range.
  public init(_ record: Record) throws {
    try self.init(record, header: TokenHeader(record))
  }

  init(_ record: Record, header: TokenHeader) throws {
    let stored = try record.tensor("tokens", shape: [nil, header.viewCount, header.tokensPerView])
    let labels = try record.tensor("labels", shape: [stored.shape[0]])
    self.header = header
    self.tokens = try boundedIntegers(stored, below: header.vocabSize, origin: record.origin)
    self.labels = try boundedIntegers(labels, below: header.classCount, origin: record.origin)
    skipped = try skippedPlaces(record, images: labels.shape[0])
    shard = try record.shard()
  }

  /// The record form; `extra` may hold `config` and `provenance`.
  /// - Precondition: Tokens and labels are within the header's bounds.
  public func record(metadata extra: [String: String] = [:]) -> Record {
    precondition(tokens.allSatisfy { $0 < header.vocabSize }, "a token beyond the vocabulary")
    precondition(labels.allSatisfy { $0 < header.classCount }, "a label beyond the classes")
    let shape = [count, header.viewCount, header.tokensPerView]
    let stored =
      header.vocabSize > 65_536
      ? StoredTensor(name: "tokens", shape: shape, uint32s: tokens)
      : StoredTensor(name: "tokens", shape: shape, uint16s: tokens.map { UInt16($0) })
    return Record(
      kind: .tokens,
      metadata: extra.merging(header.metadata) { _, own in own }.merging(shard?.metadata ?? [:]) { _, own in
        own
      },
      tensors: [stored, StoredTensor(name: "labels", shape: [count], uint32s: labels)]
        + (skipped.isEmpty
          ? [] : [StoredTensor(name: "skipped", shape: [skipped.count], uint32s: skipped)]))
  }
}

/// The places of a record's tensor `skipped`; none where it has no such tensor.
private func skippedPlaces(_ record: Record, images: Int) throws -> [UInt32] {
  guard record["skipped"] != nil else { return [] }
  let stored = try record.tensor("skipped", shape: [nil])
  let places = try boundedIntegers(stored, below: images + stored.elementCount, origin: record.origin)
  guard arePlaces(places, among: images + places.count) else {
    throw FormatError(
      .valueOutOfRange, at: record.origin, expected: "places in 'skipped' that ascend", found: "others",
      hint: "tokenize the images again")
  }
  return places
}

/// Whether numbers ascend and are below a count.
private func arePlaces(_ numbers: [UInt32], among count: Int) -> Bool {
  zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 } && Int(numbers.last ?? 0) < max(1, count)
}

/// The integers of a tensor, each checked to be from 0 to below a bound; the error names the first item.
func boundedIntegers(_ tensor: StoredTensor, below bound: Int, origin: Origin) throws -> [UInt32] {
  // The two types that files have go straight to 32 bits: a data set's tokens as 64-bit integers fill a machine.
  if let values = tensor.unsignedIntegers() {
    try requireBounded(values, below: bound, tensor, origin)
    return values
  }
  let values = try tensor.integers()
  try requireBounded(values, below: bound, tensor, origin)
  return values.map { UInt32($0) }
}

private func requireBounded(
  _ values: [some BinaryInteger], below bound: Int, _ tensor: StoredTensor, _ origin: Origin
) throws {
  if let wrong = values.firstIndex(where: { $0 < 0 || $0 >= bound }) {
    let item = wrong / max(1, tensor.shape.dropFirst().reduce(1, *))
    throw FormatError(
      .valueOutOfRange, at: origin, expected: "\(tensor.name) of item \(item) from 0 to \(bound - 1)",
      found: "\(values[wrong])", hint: "make the file again with the codebook and classes it is meant for")
  }
}
