import StreamFormat
import Testing

/// What a header says before its record is read.
@Suite struct PeekTests {
  private let one = Record(
    kind: .mapping, metadata: ["a": "b"],
    tensors: [StoredTensor(name: "x", shape: [2], floats: [1, 2] as [Float])])

  @Test func theRecordIsReadAfterwards() throws {
    let reader = RecordReader(MemorySource(file(one) + file(one)))
    for _ in 0..<2 {
      #expect(try reader.peek()?.metadata["a"] == "b")
      #expect(try reader.peek()?.tensors.map(\.name) == ["x"])
      #expect(try reader.next()?.tensor("x").floats() == [1, 2])
    }
    #expect(try reader.peek() == nil && reader.next() == nil && reader.recordIndex == 2)
    let summaries = RecordReader(MemorySource(file(one)))
    _ = try summaries.peek()
    #expect(try summaries.nextSummary()?.metadata["a"] == "b")
  }

  @Test func aDamageIsFoundOnceTheRecordIsRead() throws {
    let whole = file(one)
    let cut = RecordReader(MemorySource(Array(whole.prefix(whole.count - 40))))
    _ = try? cut.peek()
    #expect(throws: FormatError.self) {
      _ = try cut.next()
      _ = try cut.next()
    }
    let none = RecordReader(MemorySource([]))
    #expect(throws: FormatError.self) { try none.peek() }
    #expect(throws: FormatError.self) { try none.next() }
  }
}
