import Foundation
@testable import StreamFormat

/// A small reproducible generator, so that each run draws the same files.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

extension Record {
  static func random(using generator: inout SplitMix) -> Record {
    let tensors = (0..<Int.random(in: 0...5, using: &generator)).map { index in
      StoredTensor.random(name: "t\(index)/\u{e9}\"\\", using: &generator)
    }
    let metadata = (0..<Int.random(in: 0...3, using: &generator)).map {
      ("key \($0)", String(repeating: "v\n\u{1F600}", count: Int.random(in: 0...4, using: &generator)))
    }
    return Record(metadata: Dictionary(uniqueKeysWithValues: metadata), tensors: tensors)
  }
}

extension StoredTensor {
  static func random(name: String, using generator: inout SplitMix) -> StoredTensor {
    let type = ElementType.allCases.randomElement(using: &generator)!
    let shape = (0..<Int.random(in: 0...3, using: &generator)).map { _ in
      Int.random(in: 0...4, using: &generator)
    }
    let count = shape.reduce(type.byteCount, *)
    let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    return StoredTensor(name: name, elementType: type, shape: shape, bytes: bytes)
  }
}

/// The bytes of a file with some records.
func file(_ records: Record..., endMark: Bool = true) -> [UInt8] {
  file(records, endMark: endMark)
}

func file(_ records: [Record], endMark: Bool = true) -> [UInt8] {
  let sink = MemorySink()
  let writer = RecordWriter(sink)
  for record in records { try! writer.write(record) }
  if endMark { try! writer.finish() }
  return sink.bytes
}

/// All records of a file.
func records(_ bytes: [UInt8], limits: Limits = .standard) throws -> [Record] {
  let reader = RecordReader(MemorySource(bytes, name: "test.zst"), limits: limits)
  var records: [Record] = []
  while let record = try reader.next() { records.append(record) }
  return records
}

/// The defect that reading a file reports, or nil if it reads well.
func defect(_ bytes: [UInt8], limits: Limits = .standard) throws -> FormatError.Defect? {
  do {
    _ = try records(bytes, limits: limits)
    return nil
  } catch let error as FormatError {
    return error.defect
  }
}

/// The bytes of a plain safetensors blob with any header and data.
func blob(_ header: String, data: Int = 0) -> [UInt8] {
  withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8)
    + [UInt8](repeating: 7, count: data)
}

/// A header that all tests of tokens share: two codes in a 1 x 2 grid.
let smallHeader = TokenHeader(
  vocabSize: 40, rows: 2, columns: 3, codebookSHA256: "ab", classCount: 3, classNames: ["a", "b", "c"],
  viewNames: ["center", "center-flipped"])

extension TokenBatch {
  static func random(_ header: TokenHeader, count: Int, using generator: inout SplitMix) -> TokenBatch {
    let tokens = (0..<count * header.viewCount * header.tokensPerView).map { _ in
      UInt32.random(in: 0..<UInt32(header.vocabSize), using: &generator)
    }
    let labels = (0..<count).map { _ in UInt32.random(in: 0..<UInt32(header.classCount), using: &generator) }
    return TokenBatch(header: header, tokens: tokens, labels: labels)
  }
}
