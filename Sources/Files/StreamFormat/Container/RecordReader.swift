/// Reads the records of a file one after the other: a zstd stream of safetensors blobs, or one plain blob.
///
/// A record is returned only after the checksum of its frame was verified, and nil (the end) only after the
/// end mark was verified. Sizes are bounded by ``Limits``.
public final class RecordReader {
  /// The number of records read so far, which is the index of the next one.
  public private(set) var recordIndex = 0
  /// The number of items in the records read so far.
  public private(set) var itemCount = 0
  /// The number of end marks met so far: 1 for a file as written, more for a concatenation.
  public private(set) var streamCount = 0
  /// The shard that the file is by itself, known once the end has been reached; nil for a whole file, as all shards
  /// together are.
  public private(set) var loneShard: Shard?
  private let input: RawInput
  private let limits: Limits
  private let decoder: ZstdDecoder
  private let admit: (RecordSummary) throws -> Void
  private let remark: (Shard) -> Void
  private var stream = StreamCounts()
  private var shards = ShardSequence()
  /// The record that ``peek()`` has begun.
  private var begun: (parser: RecordParser, isFrame: Bool)?
  private var failure: Error?

  /// A reader of a source that stands at the start of a file.
  /// - Parameters:
  ///   - admit: is shown each record that ``next()`` is about to keep in memory, and may refuse it.
  ///   - remark: is told at the end of a file that is one shard of several.
  public init(
    _ source: ByteSource, limits: Limits = .standard,
    admit: @escaping (RecordSummary) throws -> Void = { _ in }, remark: @escaping (Shard) -> Void = { _ in }
  ) {
    self.input = RawInput(source)
    self.limits = limits
    self.admit = admit
    self.remark = remark
    self.decoder = ZstdDecoder(windowLog: limits.windowLog)
  }

  public var name: String { input.name }

  /// How many bytes of the source, as stored, have been consumed.
  public var byteOffset: UInt64 { input.offset }

  /// SHA-256 of all bytes of the source, in hexadecimal; nil before the end has been reached.
  public func sha256() -> String? {
    input.isAtEnd ? input.sha256 : nil
  }

  /// What the header of the next record says, which ``next()`` or ``nextSummary()`` reads afterwards; nil at the end. The
  /// checksum of the record is not yet verified.
  /// - Throws: As ``next()``.
  public func peek() throws -> RecordSummary? {
    if let failure { throw failure }
    do {
      guard let (parser, _) = try begin() else { return nil }
      let header = try parser.header()
      return RecordSummary(metadata: header.metadata, tensors: header.tensors, origin: parser.origin)
    } catch {
      failure = error
      throw error
    }
  }

  /// The parser of the next record, which stays the next one; nil at the end.
  private func begin() throws -> (parser: RecordParser, isFrame: Bool)? {
    if begun == nil, let content = try nextContent() {
      begun = (RecordParser(content, origin: origin, limits: limits), content is FrameContent)
    }
    return begun
  }

  /// The next record, or nil at the end.
  /// - Throws: ``FormatError`` for a defect of the file, again on each further call; ``StreamError``; what `admit` throws.
  public func next() throws -> Record? {
    try step { parser, summary in
      do {
        try admit(summary)
      } catch {
        // A damaged header may claim any size. It is not believed before some of the data has come.
        try parser.skip(atMost: 1 << 26, of: summary.tensors)
        throw error
      }
      let tensors = try summary.tensors.map { try parser.tensor($0) }
      var record = Record(metadata: summary.metadata, tensors: tensors)
      record.origin = parser.origin
      return record
    }
  }

  /// The next record without its tensors' data, which are read and verified but not kept; nil at the end.
  /// - Throws: As ``next()``.
  public func nextSummary() throws -> RecordSummary? {
    try step { parser, summary in
      for tensor in summary.tensors { try parser.skip(tensor) }
      return summary
    }
  }

  /// Reads the next record and passes its tensors on one by one without keeping them; nil at the end.
  ///
  /// The checksum is verified after the last tensor, so that results are valid only after this function has
  /// returned.
  /// - Parameters:
  ///   - begin: receives what the header says.
  ///   - visit: receives each tensor, in the order of their data.
  /// - Throws: As ``next()``, and what the functions throw.
  public func nextSummary(
    begin: (RecordSummary) throws -> Void, visit: (StoredTensor) throws -> Void
  ) throws -> RecordSummary? {
    try step { parser, summary in
      try begin(summary)
      for tensor in summary.tensors { try visit(try parser.tensor(tensor)) }
      return summary
    }
  }

  private func step<Result>(_ body: (RecordParser, RecordSummary) throws -> Result) throws -> Result? {
    if let failure { throw failure }
    do {
      guard let (parser, isFrame) = try begin() else { return nil }
      begun = nil
      let header = try parser.header()
      let summary = RecordSummary(metadata: header.metadata, tensors: header.tensors, origin: parser.origin)
      let result = try body(parser, summary)
      try parser.expectEnd()
      itemCount += summary.itemCount
      stream.add(items: summary.itemCount, promised: parser.promisesEndMark && isFrame)
      try shards.add(
        summary.withoutTensors.shard(), listed: summary.listedCount, metadata: summary.metadata,
        at: parser.origin)
      recordIndex += 1
      return result
    } catch {
      failure = error
      throw error
    }
  }

  private var origin: Origin {
    Origin(file: name, record: recordIndex, offset: input.offset)
  }

  /// Passes over skippable frames to the next record's content; nil at a proper end.
  private func nextContent() throws -> RecordContent? {
    while true {
      let start = try input.peek(9)
      if start.isEmpty {
        try expectProperEnd()
        return nil
      }
      if start.count < 4, input.offset > 0 { throw truncatedMagic(origin) }
      let magic = start.count < 4 ? nil : integer(start[...], as: UInt32.self)
      if magic == 0xFD2F_B528 {
        return FrameContent(input, decoder: decoder, origin: origin)
      } else if let magic, EndMark.isSkippable(magic) {
        try readSkippable(magic)
      } else if input.offset == 0, start.last == UInt8(ascii: "{"), start.count == 9 {
        return PlainContent(input)
      } else {
        throw foreignBytes(start, origin)
      }
    }
  }

  private func readSkippable(_ magic: UInt32) throws {
    let place = Origin(file: name, offset: input.offset)
    let head = try input.peek(8 + EndMark.contentCount)
    let tag = head.dropFirst(8).prefix(EndMark.tag.count)
    if magic == EndMark.magic, tag.elementsEqual(EndMark.tag) {
      let mark = try parseEndMark(head, at: place)
      try stream.close(with: mark, at: place)
      try shards.close(at: place)
      streamCount += 1
    }
    let count = head.count < 8 ? 8 : 8 + Int(integer(head[4...], as: UInt32.self))
    if try input.skip(count) < count { throw cutSkippable(at: place) }
  }

  private func expectProperEnd() throws {
    if input.offset == 0 {
      throw FormatError(
        .emptyFile, at: Origin(file: name), expected: "a tensor file", found: "no bytes at all",
        hint: "make the file again; the tool that wrote it may have failed")
    }
    let end = Origin(file: name, offset: input.offset)
    try stream.expectClosed(streamCount: streamCount, at: end)
    guard let lone = try shards.finish(at: end), loneShard == nil else { return }
    loneShard = lone
    remark(lone)
  }
}
