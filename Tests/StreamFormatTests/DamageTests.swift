@testable import StreamFormat
import Testing

/// Damaged files are refused with an error, or read as what was written; never as something else.
@Suite struct DamageTests {
  private static let small = {
    var generator = SplitMix(state: 3)
    let batches = [2, 3].map { TokenBatch.random(smallHeader, count: $0, using: &generator) }
    return file(batches[0].record(), batches[1].record())
  }()

  private func content(_ records: [Record]) -> [String] {
    records.map { record in
      let tensors = record.tensors.map { "\($0.name) \($0.elementType) \($0.shape) \($0.bytes)" }
      return "\(record.metadata.sorted { $0.key < $1.key }) \(tensors)"
    }
  }

  @Test func everyCutIsNoticed() throws {
    for count in 0..<Self.small.count {
      #expect(try defect(Array(Self.small[..<count])) != nil, "cut to \(count) bytes")
    }
  }

  @Test func everyFlippedBitIsNoticedOrHarmless() throws {
    let whole = content(try records(Self.small))
    var harmless = 0
    for index in Self.small.indices {
      for bit in 0..<8 {
        var damaged = Self.small
        damaged[index] ^= 1 << bit
        guard try defect(damaged) == nil else { continue }
        harmless += 1
        #expect(content(try records(damaged)) == whole, "byte \(index), bit \(bit)")
      }
    }
    // The few that are left are bits that decoders do not need, such as the unused one of RFC 8878's descriptor.
    #expect(harmless * 100 < Self.small.count * 8)
  }

  @Test(arguments: UInt64(0)..<2000) func randomDamageNeverReadsAsOtherContent(seed: UInt64) throws {
    var generator = SplitMix(state: seed)
    var damaged = Self.small
    for _ in 0..<Int.random(in: 1...4, using: &generator) { damage(&damaged, using: &generator) }
    if damaged == Self.small { return }
    guard try defect(damaged) == nil else { return }
    let whole = content(try records(Self.small))
    // Cutting out or repeating whole streams is no damage a reader could see.
    #expect(content(try records(damaged)).allSatisfy { whole.contains($0) })
  }

  @Test(arguments: UInt64(0)..<3000) func randomHeadersNeverCrash(seed: UInt64) throws {
    var generator = SplitMix(state: seed)
    var header = Array(
      #"{"__metadata__":{"a":"b"},"x":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]}}"#.utf8)
    for _ in 0..<Int.random(in: 1...3, using: &generator) { damage(&header, using: &generator) }
    let bytes = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header + [1, 2, 3, 4]
    if try defect(bytes) == nil {
      #expect(try records(bytes)[0].tensors.reduce(0) { $0 + $1.bytes.count } == 4)
    }
  }

  private func damage(_ bytes: inout [UInt8], using generator: inout SplitMix) {
    guard !bytes.isEmpty else { return }
    let index = Int.random(in: 0..<bytes.count, using: &generator)
    let range = index..<min(bytes.count, index + Int.random(in: 1...40, using: &generator))
    switch Int.random(in: 0..<4, using: &generator) {
    case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
    case 1: bytes.removeSubrange(range)
    case 2: bytes.insert(contentsOf: Array(bytes[range]), at: index)
    default: bytes[index] = [0, 255, 34, 44, 57, 91, 93, 123, 125].randomElement(using: &generator)!
    }
  }

  @Test func theErrorNamesThePlace() throws {
    var damaged = Self.small
    damaged[damaged.count - 36 - 10] ^= 1
    let reader = RecordReader(MemorySource(damaged, name: "a.tokens.zst"))
    let first = try #require(try reader.next())
    let error = try #require(throws: FormatError.self) { try reader.next() }
    #expect(first.origin == Origin(file: "a.tokens.zst", record: 0, offset: 0))
    #expect(error.origin.record == 1)
    let offset = try #require(error.origin.offset)
    #expect(Array(Self.small[Int(offset)...].prefix(4)) == [0x28, 0xB5, 0x2F, 0xFD])
    #expect(error.description.hasPrefix("a.tokens.zst: record 1 at byte \(offset): "))
  }

  @Test func limitsAreTheCallers() throws {
    let record = Record(tensors: [StoredTensor(name: "x", shape: [3], floats: [1, 2, 3])])
    #expect(try defect(file(record), limits: Limits(tensorBytes: 11)) == .tensorTooLarge)
    #expect(try defect(file(record), limits: Limits(tensorBytes: 12)) == nil)
    #expect(try defect(file(record), limits: Limits(headerBytes: 10)) == .headerTooLarge)
  }
}
