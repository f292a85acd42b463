/// The tokens and labels of some images.
public struct TokenBatch: Equatable, Sendable {
  /// What all batches of the file agree on.
  public var header: TokenHeader
  /// Shape [images, views, tokens of a view], row-major.
  public var tokens: [UInt32]
  /// Shape [images].
  public var labels: [UInt32]

  /// A batch.
  /// - Precondition: The sizes agree with each other and with the header.
  public init(header: TokenHeader, tokens: [UInt32], labels: [UInt32]) {
    precondition(tokens.count == labels.count * header.viewCount * header.tokensPerView)
    self.header = header
    self.tokens = tokens
    self.labels = labels
  }

  /// The number of images.
  public var count: Int { labels.count }

  /// The tokens of one view of one image.
  public func tokens(image: Int, view: Int = 0) -> ArraySlice<UInt32> {
    let start = (image * header.viewCount + view) * header.tokensPerView
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
      kind: .tokens, metadata: extra.merging(header.metadata) { _, own in own },
      tensors: [stored, StoredTensor(name: "labels", shape: [count], uint32s: labels)])
  }
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
