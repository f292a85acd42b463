@testable import StreamFormat
import Testing

@Suite struct TokenTests {
  private func tokenFile(_ header: TokenHeader, counts: [Int]) throws -> (
    bytes: [UInt8], batches: [TokenBatch]
  ) {
    var generator = SplitMix(state: 12)
    let batches = counts.map { TokenBatch.random(header, count: $0, using: &generator) }
    let sink = MemorySink()
    let writer = TokenWriter(RecordWriter(sink), header: header, metadata: ["config": "{}"])
    for batch in batches { try writer.write(batch) }
    try writer.finish()
    return (sink.bytes, batches)
  }

  @Test func batchesComeBackUnchanged() throws {
    let (bytes, batches) = try tokenFile(smallHeader, counts: [3, 1, 0, 7])
    let reader = try TokenReader(RecordReader(MemorySource(bytes)))
    #expect(reader.header == smallHeader)
    #expect(reader.metadata["config"] == "{}")
    for batch in batches { #expect(try reader.next() == batch) }
    #expect(try reader.next() == nil)
  }

  @Test func largeVocabulariesTakeFourBytesAToken() throws {
    for (vocabSize, type) in [(65_536, ElementType.uint16), (65_537, .uint32)] {
      var header = smallHeader
      header.vocabSize = vocabSize
      let tokens = [UInt32](repeating: UInt32(vocabSize - 1), count: 12)
      let batch = TokenBatch(header: header, tokens: tokens, labels: [2])
      #expect(batch.record()["tokens"]?.elementType == type)
      #expect(try TokenBatch(batch.record()) == batch)
    }
  }

  @Test func readAllJoinsBatches() throws {
    let (bytes, batches) = try tokenFile(smallHeader, counts: [2, 4])
    let all = try TokenReader(RecordReader(MemorySource(bytes + bytes))).readAll()
    #expect(all.tokens == batches.flatMap(\.tokens) + batches.flatMap(\.tokens))
    #expect(all.count == 12)
    #expect(all.tokens(image: 7, view: 1) == batches[0].tokens(image: 1, view: 1))
  }

  @Test func anEmptyTokenFileKeepsItsHeader() throws {
    let (bytes, _) = try tokenFile(smallHeader, counts: [])
    let reader = try TokenReader(RecordReader(MemorySource(bytes)))
    #expect(reader.header == smallHeader)
    #expect(try reader.readAll().count == 0)
  }

  @Test(
    arguments: [
      "vocab_size": "41", "grid": "3x2", "codebook_sha256": "cd", "views": #"["a","b"]"#,
      "class_names": #"["x","y","z"]"#,
    ].sorted { $0.key < $1.key })
  func filesOfAnotherKindDoNotConcatenate(change: (key: String, value: String)) throws {
    var generator = SplitMix(state: 1)
    let record = TokenBatch.random(smallHeader, count: 1, using: &generator).record()
    var other = record
    other.metadata[change.key] = change.value
    let reader = try TokenReader(RecordReader(MemorySource(file(record) + file(other), name: "joined")))
    _ = try reader.next()
    let error = try #require(throws: FormatError.self) { try reader.next() }
    #expect(error.defect == .streamMismatch)
    #expect(error.description.contains("joined: record 1"))
    #expect(error.description.contains(change.key))
  }

  @Test func tokensOfAnyIntegerTypeAreRead() throws {
    var generator = SplitMix(state: 2)
    let batch = TokenBatch.random(smallHeader, count: 2, using: &generator)
    var record = batch.record()
    let labels = try record.tensor("labels")
    let asInt32 = StoredTensor(name: "tokens", shape: [2, 2, 6], int32s: batch.tokens.map { Int32($0) })
    record.tensors = [asInt32, labels]
    #expect(try TokenBatch(record) == batch)
    record.tensors[0] = StoredTensor(
      name: "tokens", shape: [2, 2, 6], int32s: .init(repeating: -1, count: 24))
    #expect(try #require(throws: FormatError.self) { try TokenBatch(record) }.found == "-1")
    record.tensors[0] = StoredTensor(
      name: "tokens", shape: [2, 2, 6], floats: .init(repeating: 1, count: 24))
    #expect(try #require(throws: FormatError.self) { try TokenBatch(record) }.defect == .wrongType)
    record.tensors[0] = StoredTensor(name: "tokens", shape: [2, 12], int32s: .init(repeating: 1, count: 24))
    #expect(try #require(throws: FormatError.self) { try TokenBatch(record) }.defect == .wrongShape)
    record.tensors = [record.tensors[0], StoredTensor(name: "labels", shape: [3], uint32s: [0, 1, 2])]
    #expect(throws: FormatError.self) { try TokenBatch(record) }
  }

  @Test func valuesOutOfRangeNameTheItem() throws {
    var generator = SplitMix(state: 1)
    var record = TokenBatch.random(smallHeader, count: 4, using: &generator).record()
    var tokens = try record.tensor("tokens").integers().map { UInt16($0) }
    tokens[12 * 2 + 5] = 40
    record.tensors = [
      StoredTensor(name: "tokens", shape: [4, 2, 6], uint16s: tokens), try record.tensor("labels"),
    ]
    let error = try #require(throws: FormatError.self) { try TokenBatch(record) }
    #expect(error.defect == .valueOutOfRange)
    #expect(error.expected == "tokens of item 2 from 0 to 39")
    #expect(error.found == "40")

    record.tensors = [
      StoredTensor(name: "tokens", shape: [4, 2, 6], uint16s: tokens.map { min($0, 39) }),
      StoredTensor(name: "labels", shape: [4], uint32s: [0, 1, 2, 3]),
    ]
    let labelError = try #require(throws: FormatError.self) { try TokenBatch(record) }
    #expect(labelError.expected == "labels of item 3 from 0 to 2")
  }

  @Test func tokensOfSeveralScales() throws {
    let header = TokenHeader(
      vocabSize: 9, rows: 3, columns: 3, codebookSHA256: "ab", classCount: 2, viewNames: ["center", "b"],
      layout: .scales([1, 2, 3]))
    #expect(header.tokensPerView == 14)
    let (bytes, batches) = try tokenFile(header, counts: [2, 3])
    let reader = try TokenReader(RecordReader(MemorySource(bytes)))
    #expect(reader.header == header && reader.metadata["scales"] == "[1,2,3]")
    for batch in batches { #expect(try reader.next() == batch) }
    let record = TokenBatch(header: header, tokens: [], labels: []).record()
    for (key, value) in [
      ("scales", "[1,2]"), ("scales", "[]"), ("scales", "[1,3,2,3]"), ("scales", "[0,3]"), ("scales", "3"),
      ("scales", "[1,2,3.0]"), ("grid", "3x4"), ("grid", "4x4"), ("layout", "raster"),
    ] {
      var changed = record
      changed.metadata[key] = value
      let error = #expect(throws: FormatError.self, "\(key) \(value)") { try TokenBatch(changed) }
      #expect(error?.defect == (key == "layout" ? .wrongShape : .badMetadata), "\(key) \(value)")
    }
    var large = record
    (large.metadata["scales"], large.metadata["grid"]) = ("[200,256]", "256x256")
    #expect(try #require(throws: FormatError.self) { try TokenHeader(large) }.defect == .badMetadata)
    // A file of another list of scales is not the same kind of tokens.
    var other = record
    other.metadata["scales"] = "[2,3]"
    other.tensors[0] = StoredTensor(name: "tokens", shape: [0, 2, 13], uint16s: [])
    let joined = try TokenReader(RecordReader(MemorySource(file(record) + file(other))))
    _ = try joined.next()
    #expect(try #require(throws: FormatError.self) { try joined.next() }.defect == .streamMismatch)
  }

  @Test func metadataIsChecked() throws {
    let record = TokenBatch(header: smallHeader, tokens: [], labels: []).record()
    let cases: [(key: String, value: String?, defect: FormatError.Defect)] = [
      ("kind", nil, .missingMetadata), ("kind", "tokenizer", .wrongKind), ("kind", "strange", .wrongKind),
      ("version", "2", .unsupportedVersion), ("version", nil, .missingMetadata),
      ("vocab_size", "many", .badMetadata), ("vocab_size", "0", .valueOutOfRange),
      ("vocab_size", "99999999999", .valueOutOfRange), ("grid", "4", .badMetadata),
      ("grid", "-1x6", .badMetadata),
      ("grid", "2x3x1", .badMetadata), ("grid", "65537x1", .badMetadata), ("views", "[]", .badMetadata),
      ("views", "{", .badMetadata), ("class_names", #"["one"]"#, .badMetadata),
      ("layout", "spiral", .badMetadata), ("layout", "scales", .missingMetadata),
      ("num_classes", nil, .missingMetadata), ("codebook_sha256", nil, .missingMetadata),
    ]
    for (key, value, defect) in cases {
      var changed = record
      changed.metadata[key] = value
      let error = try #require(throws: FormatError.self, "\(key)") { try TokenHeader(changed) }
      #expect(error.defect == defect, "\(key) = \(value ?? "nothing")")
    }
  }
}
