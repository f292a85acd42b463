@testable import StreamFormat
import Testing

/// Files of shards, and what their concatenation must be.
@Suite struct ShardTests {
  private static let header = TokenHeader(
    vocabSize: 4, rows: 1, columns: 1, codebookSHA256: "c", classCount: 9)

  /// One item per shard of three, and a part that is no shard.
  private func part(_ number: Int?) -> [UInt8] {
    let shard = number.map { Shard(number: $0, count: 3, first: $0 - 1, total: 3) }
    return file(Record(kind: .mapping, metadata: shard?.metadata ?? [:]))
  }

  /// Whether a list of parts is whole: a single part, or parts that are no shards and runs of 1, 2, 3.
  private func isWhole(_ parts: [Int?]) -> Bool {
    if parts.count == 1 { return true }
    var rest = parts[...]
    while let first = rest.first {
      if first == nil {
        rest = rest.dropFirst()
      } else if rest.starts(with: [1, 2, 3]) {
        rest = rest.dropFirst(3)
      } else {
        return false
      }
    }
    return true
  }

  @Test func onlyWholeConcatenationsAreRead() throws {
    var lists: [[Int?]] = [[]]
    var accepted = 0
    for _ in 0..<5 {
      lists = lists.flatMap { list in [nil, 1, 2, 3].map { list + [$0] } }
      for parts in lists {
        let found = try defect(parts.flatMap { part($0) })
        #expect(found == (isWhole(parts) ? nil : .shardMismatch), "\(parts)")
        accepted += found == nil ? 1 : 0
      }
    }
    // Four single parts; 2 to 5 parts that are no shards; the run of three alone, with one and with two of these beside it.
    #expect(accepted == 4 + 4 + 1 + 2 + 3)
  }

  @Test func aShardAloneIsKnownAsOne() throws {
    for number in 1...3 {
      var told: [Shard] = []
      let reader = RecordReader(MemorySource(part(number)), remark: { told.append($0) })
      while try reader.next() != nil {}
      #expect(try reader.next() == nil && reader.loneShard?.number == number)
      #expect(told == [Shard(number: number, count: 3, first: number - 1, total: 3)])
    }
    let whole = RecordReader(MemorySource([1, 2, 3].flatMap { part($0) }), remark: { _ in Issue.record() })
    while try whole.next() != nil {}
    #expect(whole.loneShard == nil && whole.streamCount == 3)
  }

  @Test func aMessageSaysWhatIsMissing() throws {
    let error = #expect(throws: FormatError.self) { try records(part(1) + part(3)) }
    #expect(
      error?.description.hasPrefix(
        "test.zst: record 1 at byte \(part(1).count): shard mismatch; expected shard 2 of 3; ")
        == true)
    #expect(error?.description.contains("found shard 3 of 3; try: cat the files of all shards") == true)
  }

  @Test(arguments: [
    (#"{"scale":1.5}"#, #"{"scale": 2}"#, "note.scale of the shard before, 1.5; found 2"),
    (#"[1,[2,3]]"#, #"[1,[2,4]]"#, "note 2 2 of the shard before, 3; found 4"),
    ("a", "b", "note of the shard before, a; found b"),
    ("[1]", "[1,2]", "note of the shard before, [1]; found [1, 2]"),
    (#"{"a":{}}"#, "{}", "note.a of the shard before, {}; found none"),
  ]) func aMessageSaysWhatDiffers(here: String, there: String, words: String) throws {
    func part(_ number: Int, _ note: String) -> [UInt8] {
      let shard = Shard(number: number, count: 2, first: number - 1, total: 2)
      return file(Record(kind: .mapping, metadata: shard.metadata.merging(["note": note]) { $1 }))
    }
    let error = #expect(throws: FormatError.self) { try records(part(1, here) + part(2, there)) }
    #expect(
      error?.description.contains("expected shard 2 of 2 to have the \(words)") == true,
      "\(error?.description ?? "")")
    // Two sets may differ.
    _ = try records(part(1, here) + part(2, here) + part(1, there) + part(2, there))
  }

  @Test func badPlacesAreRefused() throws {
    for text in [
      "{}", "3", "[1,2,0,2]", #"{"number":0,"count":2,"first":0,"total":2}"#,
      #"{"number":3,"count":2,"first":0,"total":2}"#, #"{"number":1,"count":2,"first":3,"total":2}"#,
      #"{"number":1,"count":2,"first":-1,"total":2}"#, #"{"number":1,"count":1048577,"first":0,"total":2}"#,
      #"{"number":1,"count":2,"first":0,"total":281474976710657}"#,
      #"{"number":1.0,"count":2,"first":0,"total":2}"#,
    ] {
      #expect(try defect(file(Record(metadata: ["shard": text]))) == .badMetadata, "\(text)")
    }
    #expect(
      try defect(file(Record(metadata: ["shard": #"{"first":0,"total":2,"count":2,"number":1}"#]))) == nil)
  }

  private func batch(_ labels: Range<Int>, skipped: [UInt32] = [], shard: Shard? = nil) -> TokenBatch {
    TokenBatch(
      header: Self.header, tokens: labels.map { UInt32($0 % 4) }, labels: labels.map { UInt32($0) },
      skipped: skipped, shard: shard)
  }

  private func written(_ batches: [TokenBatch]) throws -> [UInt8] {
    let sink = MemorySink()
    let writer = TokenWriter(RecordWriter(sink), header: Self.header)
    for batch in batches { try writer.write(batch) }
    try writer.finish()
    return sink.bytes
  }

  @Test func copiedShardsStayShards() throws {
    // Of ten listed images the first shard has five, one of them skipped; the second none; the third five, two skipped.
    let shards = [(0, 0..<4, [2]), (5, 4..<4, []), (5, 4..<7, [0, 4])].enumerated().map { index, parts in
      batch(
        parts.1, skipped: parts.2.map { UInt32($0) },
        shard: Shard(number: index + 1, count: 3, first: parts.0, total: 10))
    }
    let bytes = try shards.flatMap { try written([$0]) }
    let reader = try TokenReader(RecordReader(MemorySource(bytes)))
    var copies: [TokenBatch] = []
    while let batch = try reader.next() { copies.append(batch) }
    #expect(copies == shards)
    #expect(try written(copies) == bytes)
    let all = try TokenReader(RecordReader(MemorySource(bytes))).readAll()
    #expect(all == batch(0..<7, skipped: [2, 5, 9]) && all.wholeListedPlaces == all.listedPlaces)
    let alone = try TokenReader(RecordReader(MemorySource(written([shards[2]])))).readAll()
    #expect(alone == shards[2] && alone.wholeListedCount == 10 && alone.wholeListedPlaces == [6, 7, 8])
  }

  @Test func partsOfABatchAreCutByListedPlaces() {
    let whole = batch(0..<7, skipped: [0, 3, 4, 9])
    for first in 0...11 {
      for end in first...11 {
        let parts = [0..<first, first..<end, end..<11].map { whole.part($0) }
        #expect(parts.map(\.listedCount) == [first, end - first, 11 - end])
        var joined = parts[0]
        joined.append(parts[1])
        joined.append(parts[2])
        #expect(joined == whole)
      }
    }
  }
}
