import StreamFormat
import Testing

@testable import Datasets

/// A data set in a temporary file is the data set in memory.
@Suite struct TokenStorageTests {
  private func file(_ vocabulary: Int, skipped: [UInt32] = []) throws -> (bytes: [UInt8], batch: TokenBatch) {
    let header = TokenHeader(
      vocabSize: vocabulary, rows: 2, columns: 3, codebookSHA256: "c", classCount: 5,
      viewNames: ["center", "mirrored"])
    let sink = MemorySink()
    let writer = TokenWriter(RecordWriter(sink), header: header)
    var all = TokenBatch(header: header, tokens: [], labels: [])
    for record in 0..<7 {
      let images = record == 3 ? 0 : record + 1
      let tokens = (0..<images * 12).map { UInt32(($0 * 7919 + record * 104_729) % vocabulary) }
      let batch = TokenBatch(
        header: header, tokens: tokens, labels: (0..<images).map { UInt32(($0 + record) % 5) },
        skipped: record == 2 ? skipped : [])
      try writer.write(batch)
      all.append(batch)
    }
    try writer.finish()
    return (sink.bytes, all)
  }

  @Test(arguments: [32, 65_536, 65_537, 1_000_000], [0, 100, 1 << 20])
  func whereTokensLieChangesNothing(vocabulary: Int, memory: Int) throws {
    let (bytes, batch) = try file(vocabulary, skipped: [0, 2])
    let expected = TokenDataset(batch)
    let found = try TokenDataset(TokenReader(RecordReader(MemorySource(bytes))), memory: memory)
    #expect(found.count == 24 && found.labels == expected.labels)
    #expect(found.listedPlaces == expected.listedPlaces && found.listedCount == expected.listedCount)
    for item in 0..<found.count {
      for view in 0..<2 {
        #expect(Array(found.tokens(item: item, view: view)) == Array(batch.tokens(image: item, view: view)))
      }
    }
    #expect(found.sha256 == expected.sha256 && found.unigramEntropy == expected.unigramEntropy)
    let other = found.relabelled([4, 3, 2, 1, 0])
    #expect(other.labels == expected.labels.map { 4 - $0 } && other.sha256 != found.sha256)
  }

  /// Codes of another codebook are computed as they are read, one after the other where there are several tables.
  @Test(arguments: [0, 1 << 20]) func anotherCodebook(memory: Int) throws {
    let (bytes, batch) = try file(32, skipped: [1])
    var header = batch.header
    (header.vocabSize, header.codebookSHA256) = (8, "coarse")
    let table = (0..<32).map { UInt32($0 * 5 % 8) }
    var mapped = TokenBatch(
      header: header, tokens: batch.tokens.map { table[Int($0)] }, labels: batch.labels)
    mapped.skipped = batch.skipped
    let expected = TokenDataset(mapped)
    let found = try TokenDataset(TokenReader(RecordReader(MemorySource(bytes))), memory: memory)
      .mapped(to: header, table)
    #expect(found.header == header && found.sha256 == expected.sha256)
    #expect(found.unigramEntropy == expected.unigramEntropy && found.listedPlaces == expected.listedPlaces)
    #expect(found.batch([(5, 1), (0, 0)]).tokens == expected.batch([(5, 1), (0, 0)]).tokens)
    (header.vocabSize, header.codebookSHA256) = (2, "coarser")
    let twice = found.mapped(to: header, (0..<8).map { UInt32($0 / 4) }).relabelled([0, 0, 0, 0, 0])
    #expect(
      twice.tokens(item: 3, view: 1).elementsEqual(batch.tokens(image: 3, view: 1).map { table[Int($0)] / 4 })
    )
    #expect(Set(twice.labels) == [0])
  }

  /// Any part among the listed places is the part of the whole batch, with the images that were skipped there.
  @Test(arguments: [0, 1 << 20], [32, 70_000]) func partsAmongTheListedPlaces(
    memory: Int, vocabulary: Int
  ) throws {
    let (bytes, batch) = try file(vocabulary, skipped: [0, 2])
    let data = try TokenDataset(TokenReader(RecordReader(MemorySource(bytes))), memory: memory)
    #expect(batch.listedCount == 26)
    for first in 0...26 {
      for end in first...26 { #expect(data.part(first..<end) == batch.part(first..<end)) }
    }
    var header = batch.header
    (header.vocabSize, header.codebookSHA256) = (2, "coarse")
    let coarse = data.mapped(to: header, (0..<vocabulary).map { UInt32($0 % 2) }).part(2..<9)
    #expect(coarse.header == header && coarse.tokens == batch.part(2..<9).tokens.map { $0 % 2 })
    #expect(coarse.skipped == batch.part(2..<9).skipped && !coarse.skipped.isEmpty)
  }

  /// As before tokens were kept in two bytes each: checkpoints remember it.
  @Test func theHashIsOfFourBytesPerToken() throws {
    let (_, batch) = try file(32)
    var hasher = SHA256Hasher()
    batch.tokens.withUnsafeBytes { hasher.update($0) }
    batch.labels.map(Int.init).withUnsafeBytes { hasher.update($0) }
    #expect(TokenDataset(batch).sha256 == hasher.finish())
  }

  @Test func manyReadsAreReleasedAndReadAgain() throws {
    var parts = 3
    let storage = try TokenStorage(below: 100_000, memory: 0, name: "many") {
      parts -= 1
      return parts < 0 ? nil : (0..<1 << 20).map { UInt32($0 % 99_991) }
    }
    #expect(storage.count == 3 << 20)
    for round in 0..<40 {
      let first = round * 50_000
      #expect(storage[first..<first + (1 << 20)].last == UInt32((first + (1 << 20) - 1) % (1 << 20) % 99_991))
    }
    var total = 0
    storage.forEachPart { total += $0.count }
    #expect(total == 3 << 20)
  }

  @Test func aCutFileIsRefused() throws {
    let (bytes, _) = try file(32)
    for count in stride(from: 1, to: bytes.count, by: 61) {
      #expect(throws: FormatError.self) {
        try TokenDataset(TokenReader(RecordReader(MemorySource(Array(bytes.prefix(count))))), memory: 0)
      }
    }
  }
}
