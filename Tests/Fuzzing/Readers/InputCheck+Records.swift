import Codebooks
import Datasets
import Evaluation
import StreamFormat
import ToolRuntime

/// Readers of files without networks.
extension InputCheck {
  func checkContainer(_ bytes: [UInt8]) throws {
    let records = try records(of: bytes)
    let reader = RecordReader(MemorySource(bytes, name: "input"))
    for record in records {
      let summary = try reader.nextSummary()
      try expect(summary?.metadata == record.metadata, "the summary has other metadata than the record")
      try expect(
        summary?.tensors.map(\.name) == record.tensors.map(\.name),
        "the summary has other tensors than the record")
      try expect(summary?.itemCount == record.itemCount, "the summary counts other items than the record")
    }
    try expect(try reader.nextSummary() == nil, "the summaries do not end with the records")
    let again = try self.records(of: file(records))
    try expect(again.count == records.count, "written again, \(records.count) records become \(again.count)")
    for (record, copy) in zip(records, again) {
      try expect(isSame(record, copy), "written again, a record reads as another")
    }
    for record in records { try checkProvenance(record) }
  }

  private func checkProvenance(_ record: Record) throws {
    let provenance = try Provenance(record)
    let copy = try Provenance(Record(metadata: [Provenance.key: provenance.json]))
    try expect(provenance == copy, "written again, the provenance is another")
  }

  func checkTokens(_ bytes: [UInt8]) throws {
    let batch = try TokenReader(RecordReader(MemorySource(bytes, name: "input"))).readAll()
    let header = batch.header
    try expect(batch.tokens.allSatisfy { $0 < header.vocabSize }, "a token beyond the vocabulary")
    try expect(batch.labels.allSatisfy { $0 < header.classCount }, "a label beyond the classes")
    try expect(
      batch.tokens.count == batch.count * header.viewCount * header.tokensPerView,
      "tokens of another number of images")
    try expect(
      batch.listedPlaces.count == batch.count, "\(batch.listedPlaces.count) places for \(batch.count) images")
    let sink = MemorySink()
    let writer = TokenWriter(RecordWriter(sink), header: header)
    try writer.write(batch)
    try writer.finish()
    let again = try TokenReader(RecordReader(MemorySource(sink.bytes))).readAll()
    try expect(again == batch, "written again, the tokens are others")
    let data = TokenDataset(batch)
    // The tools refuse a whole that does not fit in memory before they draw among its images.
    guard batch.wholeListedCount <= 1 << 24 else { return }
    let split = try HeldOutShare(fraction: 0.3, seed: 1).split(data)
    try expect(split.training.count + split.heldOut.count == data.count, "the split loses images")
    try expect(data.unigramEntropy.isFinite, "an entropy that is not finite")
  }

  func checkMapping(_ bytes: [UInt8]) throws {
    let mapping = try CodeMapping(try only(bytes))
    try expect(
      mapping.table.allSatisfy { (0..<mapping.targetCount).contains($0) }, "a code mapped beyond the target")
    let again = try CodeMapping(try only(file([mapping.record()])))
    try expect(again == mapping, "written again, the mapping is another")
    if let clusters = GroupedItems(mapping) {
      try expect(
        clusters.labels.allSatisfy { (0..<clusters.count).contains($0) }, "a cluster out of range")
    }
  }

  func checkFeatures(_ bytes: [UInt8]) throws {
    let reader = RecordReader(MemorySource(bytes, name: "input"))
    guard let first = try reader.next() else { return }
    try first.require(kind: .features)
    let set = try FeatureFileReader(path: "input", device: device).read(first) { try reader.next() }
    try expect(set.features?.elements.allSatisfy(\.isFinite) ?? true, "a feature that is not finite")
    try expect(set.logits?.elements.allSatisfy(\.isFinite) ?? true, "a logit that is not finite")
    if set.features == nil || (set.count ?? 0) >= 2 {
      let statistics = try set.gaussian(on: device)
      try expect(statistics.mean.allSatisfy(\.isFinite), "a mean that is not finite")
      try expect(statistics.covariance.allSatisfy(\.isFinite), "a covariance that is not finite")
    }
  }

  // MARK: Records

  func records(of bytes: [UInt8]) throws -> [Record] {
    let reader = RecordReader(MemorySource(bytes, name: "input"))
    var records: [Record] = []
    while let record = try reader.next() { records.append(record) }
    return records
  }

  /// The only record of a file, as tools read it.
  func only(_ bytes: [UInt8]) throws -> Record {
    let records = try records(of: bytes)
    guard records.count == 1 else {
      throw FormatError(
        records.isEmpty ? .noRecord : .streamMismatch, at: Origin(file: "input"), expected: "one record",
        found: "\(records.count)",
        hint: "another file")
    }
    return records[0]
  }

  func file(_ records: [Record]) throws -> [UInt8] {
    let sink = MemorySink()
    let writer = RecordWriter(sink, compressionLevel: 1)
    for record in records { try writer.write(record) }
    try writer.finish()
    return sink.bytes
  }

  /// Whether two records have the same content, in whatever order.
  func isSame(_ one: Record, _ other: Record) -> Bool {
    guard one.metadata == other.metadata, one.tensors.count == other.tensors.count else { return false }
    return one.tensors.allSatisfy { tensor in
      guard let copy = other[tensor.name] else { return false }
      return copy.shape == tensor.shape && copy.elementType == tensor.elementType
        && copy.bytes == tensor.bytes
    }
  }
}
