/// Reads the batches of a token file and checks that their headers are equal.
public final class TokenReader {
  /// What all batches agree on.
  public let header: TokenHeader
  /// The metadata of the first record, with `config` and `provenance` where there are such.
  public let metadata: [String: String]
  private let records: RecordReader
  private var first: TokenBatch?

  /// Reads the first record.
  /// - Throws: ``FormatError`` if there is none, or if it is no token record; ``StreamError``.
  public init(_ records: RecordReader) throws {
    guard let record = try records.next() else {
      throw FormatError(
        .noRecord, at: Origin(file: records.name), expected: "at least one record of tokens",
        found: "none", hint: "make the file again; the tool that wrote it was given nothing")
    }
    let batch = try TokenBatch(record)
    self.records = records
    self.header = batch.header
    self.metadata = record.metadata
    self.first = batch
  }

  /// The next batch, or nil at the end.
  /// - Throws: ``FormatError`` for a defect, and (streamMismatch) for a batch of another codebook, vocabulary,
  ///   grid, list of views or of classes than the first; ``StreamError``.
  public func next() throws -> TokenBatch? {
    if let batch = first {
      first = nil
      return batch
    }
    guard let record = try records.next() else { return nil }
    let header = try TokenHeader(record)
    try self.header.requireSame(as: header, at: record.origin)
    return try TokenBatch(record, header: header)
  }

  /// All batches that are left, as one. Its shard is that of a file which is one shard by itself.
  /// - Throws: As ``next()``.
  public func readAll() throws -> TokenBatch {
    var all = TokenBatch(header: header, tokens: [], labels: [])
    while let batch = try next() { all.append(batch) }
    all.shard = loneShard
    return all
  }

  /// The shard of a file that is one shard by itself; known at its end.
  public var loneShard: Shard? { records.loneShard }

  /// SHA-256 of the file's bytes, in hexadecimal; nil before its end has been reached.
  public func sha256() -> String? { records.sha256() }

  /// The name error messages give to the file.
  public var name: String { records.name }
}

/// Writes batches as a token file.
public final class TokenWriter {
  /// What all batches agree on.
  public let header: TokenHeader
  private let records: RecordWriter
  private let metadata: [String: String]

  /// - Parameter shard: of batches that have none of their own.
  public init(
    _ records: RecordWriter, header: TokenHeader, metadata: [String: String] = [:], shard: Shard? = nil
  ) {
    self.records = records
    self.header = header
    self.metadata = metadata.merging(shard?.metadata ?? [:]) { _, own in own }
  }

  /// Writes a batch as one record.
  /// - Precondition: The batch has this writer's header.
  /// - Throws: ``StreamError``.
  public func write(_ batch: TokenBatch) throws {
    precondition(batch.header == header, "a batch of another file")
    try records.write(batch.record(metadata: metadata))
  }

  /// Writes the end mark; a file without any batch gets a record with no image, which carries the header.
  /// - Throws: ``StreamError``.
  public func finish() throws {
    if records.recordCount == 0 { try write(TokenBatch(header: header, tokens: [], labels: [])) }
    try records.finish()
  }
}
