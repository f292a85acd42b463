import CZstd

/// Writes records, one zstd frame each with a content checksum, and the end mark. Records of several shards become the
/// parts that they were: each shard is closed by a mark of its own.
///
/// The same records give the same bytes.
public final class RecordWriter {
  /// The metadata key by which a record promises that its stream closes with an end mark.
  static let endMarkKey = "end_mark"
  private let sink: ByteSink
  private let context: OpaquePointer
  private var buffer = [UInt8](repeating: 0, count: 1 << 18)
  /// Counts since the last end mark.
  private var counts = EndMark(records: 0, items: 0)
  /// The shard of the last record, as metadata.
  private var shard: String?
  private var finished = false

  /// A writer at the start of a stream; levels are zstd's, 1 to 22.
  public init(_ sink: ByteSink, compressionLevel: Int32 = 3) {
    guard let context = ZSTD_createCCtx() else { fatalError("out of memory") }
    self.sink = sink
    self.context = context
    for (parameter, value) in [(ZSTD_c_compressionLevel, compressionLevel), (ZSTD_c_checksumFlag, 1)] {
      let code = ZSTD_CCtx_setParameter(context, parameter, value)
      precondition(ZSTD_isError(code) == 0, "compression level \(compressionLevel) is not one of zstd's")
    }
  }

  deinit {
    ZSTD_freeCCtx(context)
  }

  /// The number of records written.
  public private(set) var recordCount = 0
  /// The number of items in them.
  public private(set) var itemCount = 0
  public var name: String { sink.name }

  /// Writes a record as a frame of its own.
  /// - Precondition: Tensor names differ, and ``finish()`` has not been called.
  /// - Throws: ``StreamError``.
  public func write(_ record: Record) throws { try write(RecordStream(record)) }

  /// Writes a record as a frame of its own, its tensors made as they are needed.
  /// - Precondition: Tensor names differ, and ``finish()`` has not been called.
  /// - Throws: ``StreamError``, and what making the tensors throws; the output is of no use then.
  public func write(_ stream: RecordStream) throws {
    precondition(!finished, "a record after the end mark")
    if counts.records > 0, stream.metadata[Shard.key] != shard { try endPart() }
    shard = stream.metadata[Shard.key]
    let header = safetensorsHeader(metadata: promising(stream.metadata), tensors: stream.tensors)
    ZSTD_CCtx_reset(context, ZSTD_reset_session_only)
    let total = stream.tensors.reduce(header.count) { $0 + $1.byteCount }
    ZSTD_CCtx_setPledgedSrcSize(context, UInt64(total))
    try header.withUnsafeBytes { try compress($0, ZSTD_e_continue) }
    for info in stream.tensors {
      try stream.tensor(info).withBytes { try compress($0, ZSTD_e_continue) }
    }
    try compress(UnsafeRawBufferPointer(start: nil, count: 0), ZSTD_e_end)
    let items = countItems(kind: stream.metadata["kind"]) { name in
      stream.tensors.first { $0.name == name }?.shape
    }
    counts.records += 1
    counts.items += UInt64(items)
    recordCount += 1
    itemCount += items
  }

  /// Writes the end mark; the file is complete with it.
  /// - Throws: ``StreamError``.
  public func finish() throws {
    precondition(!finished, "a second end mark")
    finished = true
    try endPart()
  }

  private func endPart() throws {
    try counts.bytes.withUnsafeBytes { try sink.write($0) }
    counts = EndMark(records: 0, items: 0)
  }

  /// A model, tokenizer, network or mapping is one record, whole by its checksum; it must survive being rewritten by
  /// tools that know nothing of end marks. Of anything else a missing tail would go unnoticed.
  private func promising(_ metadata: [String: String]) -> [String: String] {
    var metadata = metadata
    switch metadata["kind"].flatMap(FileKind.init(rawValue:)) {
    case .tokenizer, .arModel, .fineModel, .varModel, .network, .mapping: metadata[Self.endMarkKey] = nil
    default: metadata[Self.endMarkKey] = "required"
    }
    return metadata
  }

  private func compress(_ bytes: UnsafeRawBufferPointer, _ directive: ZSTD_EndDirective) throws {
    var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
    while true {
      let (left, produced) = buffer.withUnsafeMutableBytes { raw in
        var output = ZSTD_outBuffer(dst: raw.baseAddress, size: raw.count, pos: 0)
        return (ZSTD_compressStream2(context, &output, &input, directive), output.pos)
      }
      precondition(ZSTD_isError(left) == 0, "zstd: \(String(cString: ZSTD_getErrorName(left)))")
      try buffer.withUnsafeBytes { try sink.write(UnsafeRawBufferPointer(rebasing: $0[..<produced])) }
      let done = directive == ZSTD_e_end ? left == 0 : input.pos == input.size
      if done { return }
    }
  }
}
