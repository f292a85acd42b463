@testable import StreamFormat
import Testing

/// Token files remember which of the listed images were skipped, and bound the sizes that they name.
@Suite struct SkippedImagesTests {
  private static let header = TokenHeader(
    vocabSize: 4, rows: 1, columns: 1, codebookSHA256: "c", classCount: 1)

  private func batch(_ count: Int, skipped: [UInt32] = []) -> TokenBatch {
    TokenBatch(
      header: Self.header, tokens: .init(repeating: 1, count: count),
      labels: .init(repeating: 0, count: count),
      skipped: skipped)
  }

  private func read(_ parts: [[TokenBatch]]) throws -> TokenBatch {
    let sink = MemorySink()
    for part in parts {
      let writer = TokenWriter(RecordWriter(sink), header: Self.header)
      for batch in part { try writer.write(batch) }
      try writer.finish()
    }
    return try TokenReader(RecordReader(MemorySource(sink.bytes))).readAll()
  }

  @Test func placesSurviveRecordsAndConcatenation() throws {
    let all = try read([
      [batch(2, skipped: [1]), batch(3)], [batch(0, skipped: [0, 1]), batch(1, skipped: [0])],
    ])
    #expect(all.count == 6 && all.skipped == [1, 6, 7, 8] && all.listedCount == 10)
    #expect(all.listedPlaces == [0, 2, 3, 4, 5, 9])
  }

  @Test func filesWithoutSkippedImagesHaveNoSuchTensor() {
    #expect(batch(2).record()["skipped"] == nil)
    #expect(batch(2, skipped: [0]).record()["skipped"]?.elementCount == 1)
  }

  @Test(arguments: [[1, 1], [2, 1], [0, 9]] as [[UInt32]]) func falsePlacesAreRefused(places: [UInt32]) {
    var record = batch(2).record()
    record.tensors.append(StoredTensor(name: "skipped", shape: [places.count], uint32s: places))
    let error = #expect(throws: FormatError.self) { try TokenBatch(record) }
    #expect(error?.defect == .valueOutOfRange)
  }

  @Test(arguments: [
    ("vocab_size", "16777217"), ("num_classes", "4294967295"), ("grid", "257x256"),
  ]) func sizesAreThoseOfModels(key: String, value: String) {
    var record = batch(1).record()
    record.metadata[key] = value
    #expect(throws: FormatError.self) { try TokenBatch(record) }
  }

  @Test func sizesOfMappingsAreThoseOfModels() {
    let mapping = CodeMapping(
      fineToCoarse: [0, 1], coarseCount: 2, sourceCodebookSHA256: "a", targetCodebookSHA256: "b")
    for (key, value) in [("coarse_count", "16777217"), ("cluster_size", "9223372036854775807")] {
      var record = mapping.record()
      record.metadata[key] = value
      #expect(throws: FormatError.self) { try CodeMapping(record) }
    }
  }

  @Test func readingATextHasABound() {
    let error = #expect(throws: FormatError.self) {
      try MemorySource([UInt8](repeating: 0, count: 1 << 17)).readAll(limit: 1000)
    }
    #expect(error?.defect == .valueOutOfRange)
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity]) func weightsMustBeFinite(value: Float) {
    let tensor = StoredTensor(name: "w", shape: [3], floats: [1, value, 2])
    let error = #expect(throws: FormatError.self) {
      try [Float](unsafeUninitializedCapacity: 3) { buffer, count in
        try tensor.copyFiniteFloats(into: buffer)
        count = 3
      }
    }
    #expect(error?.expected.contains("tensor 'w'") == true && error?.found.contains("element 1") == true)
  }
}
