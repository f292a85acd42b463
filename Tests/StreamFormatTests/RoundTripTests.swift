@testable import StreamFormat
import Testing

@Suite struct RoundTripTests {
  @Test(arguments: UInt64(0)..<60) func randomRecordsComeBackUnchanged(seed: UInt64) throws {
    var generator = SplitMix(state: seed)
    let written = (0..<Int.random(in: 1...4, using: &generator)).map { _ in Record.random(using: &generator) }
    let read = try records(file(written))
    #expect(read.count == written.count)
    for (before, after) in zip(written, read) {
      #expect(after.metadata == before.metadata)
      #expect(after.tensors.count == before.tensors.count)
      for tensor in before.tensors {
        let other = try after.tensor(tensor.name, shape: tensor.shape)
        #expect(other.elementType == tensor.elementType)
        #expect(other.bytes == tensor.bytes)
      }
    }
  }

  @Test func theSameRecordsGiveTheSameBytes() {
    var generator = SplitMix(state: 4)
    let record = Record.random(using: &generator)
    var shuffled = record
    shuffled.tensors.reverse()
    #expect(file(record) == file(shuffled))
  }

  @Test func tensorsAreStoredByFallingElementSizeThenName() throws {
    let names = [("b", ElementType.uint8), ("a", .float64), ("d", .float32), ("c", .float32)]
    let tensors = names.map {
      StoredTensor(
        name: $0.0, elementType: $0.1, shape: [1], bytes: [UInt8](repeating: 0, count: $0.1.byteCount))
    }
    let read = try records(file(Record(tensors: tensors)))
    #expect(read[0].tensors.map(\.name) == ["a", "c", "d", "b"])
  }

  @Test func concatenationsAreFiles() throws {
    let one = Record(metadata: ["a": "1"])
    let two = Record(metadata: ["b": "2"])
    let joined = file(one, two) + file(two) + file([])
    #expect(try records(joined).map(\.metadata) == [one, two, two].map(\.metadata))
  }

  @Test func aLargeTensorArrivesWhole() throws {
    // Larger than the reader's first allocation, so that it must grow on the way.
    let bytes = (0..<80_000_003).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 7) }
    let tensor = StoredTensor(name: "large", elementType: .uint8, shape: [bytes.count], bytes: bytes)
    let read = try records(file(Record(tensors: [tensor])))
    #expect(read[0]["large"]?.bytes == bytes)
  }

  @Test func plainSafetensorsAreAccepted() throws {
    let header = #"{"__metadata__":{"k":"v"},"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#
    let read = try records(blob(header, data: 2))
    #expect(read.count == 1)
    #expect(read[0].metadata == ["k": "v"])
    #expect(read[0]["x"]?.bytes == [7, 7])
  }

  @Test func summariesHoldWhatHeadersSay() throws {
    var generator = SplitMix(state: 8)
    let batch = TokenBatch.random(smallHeader, count: 5, using: &generator)
    let bytes = file(batch.record(), batch.record())
    let reader = RecordReader(MemorySource(bytes))
    let summary = try #require(try reader.nextSummary())
    #expect(summary.tensors.map(\.name) == ["labels", "tokens"])
    #expect(summary.tensors.map(\.shape) == [[5], [5, 2, 6]])
    #expect(summary.metadata == batch.record().metadata)
    #expect(reader.sha256() == nil)
    _ = try reader.nextSummary()
    #expect(try reader.nextSummary() == nil)
    #expect(reader.recordIndex == 2 && reader.itemCount == 10 && reader.streamCount == 1)
    #expect(reader.byteOffset == UInt64(bytes.count))
    #expect(reader.sha256() == SHA256Hasher.hex(of: bytes))
  }
}
