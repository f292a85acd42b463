/// Parses one record from its decompressed bytes.
final class RecordParser {
  let origin: Origin
  private let content: RecordContent
  private let limits: Limits
  /// True if the header said that an end mark follows.
  private(set) var promisesEndMark = false
  private var parsed: SafetensorsHeader?
  // Memory is allocated as data arrives, so that a false size in a header does not cost memory.
  private static let firstAllocation = 1 << 26

  init(_ content: RecordContent, origin: Origin, limits: Limits) {
    self.content = content
    self.origin = origin
    self.limits = limits
  }

  /// The header, which is read once.
  func header() throws -> SafetensorsHeader {
    if let parsed { return parsed }
    let length = integer(try read(8, "the header's length")[...], as: UInt64.self)
    guard length <= limits.headerBytes else {
      throw FormatError(
        .headerTooLarge, at: origin, expected: "a header of at most \(limits.headerBytes) bytes",
        found: "\(length)", hint: "check that this is a safetensors file; make it again if it should be")
    }
    let json = try read(Int(length), "the header")
    var header = try SafetensorsHeader(json: json, origin: origin, limits: limits)
    promisesEndMark = header.metadata.removeValue(forKey: RecordWriter.endMarkKey) != nil
    parsed = header
    return header
  }

  func tensor(_ info: TensorInfo) throws -> StoredTensor {
    let bytes = try read(info.byteCount, "tensor '\(info.name)'")
    var tensor = StoredTensor(
      name: info.name, elementType: info.elementType, shape: info.shape, bytes: bytes)
    tensor.origin = origin
    return tensor
  }

  func skip(_ info: TensorInfo) throws { try skip(info.byteCount, of: info) }

  /// Passes over the data of some tensors, but not further than `count` bytes.
  func skip(atMost count: Int, of tensors: [TensorInfo]) throws {
    var left = count
    for info in tensors {
      let part = min(left, info.byteCount)
      try skip(part, of: info)
      left -= part
    }
  }

  private func skip(_ count: Int, of info: TensorInfo) throws {
    var chunk = [UInt8](repeating: 0, count: min(count, 1 << 18))
    var left = count
    while left > 0 {
      let count = try chunk.withUnsafeMutableBytes {
        try content.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<min(left, $0.count)]))
      }
      if count == 0 { throw truncated("tensor '\(info.name)'", left) }
      left -= count
    }
  }

  func expectEnd() throws {
    var byte: UInt8 = 0
    if try withUnsafeMutableBytes(of: &byte, { try content.read(into: $0) }) > 0 {
      throw FormatError(
        .trailingBytes, at: origin, expected: "the record to end with its last tensor",
        found: "more bytes", hint: "write one safetensors blob per zstd frame")
    }
  }

  private func read(_ count: Int, _ what: String) throws -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let start = bytes.count
      let target = min(count, max(Self.firstAllocation, start * 4))
      bytes.reserveCapacity(target)
      bytes.append(contentsOf: repeatElement(0, count: target - start))
      try bytes.withUnsafeMutableBytes {
        try fill(UnsafeMutableRawBufferPointer(rebasing: $0[start...]), what)
      }
    }
    return bytes
  }

  private func fill(_ buffer: UnsafeMutableRawBufferPointer, _ what: String) throws {
    var rest = buffer[...]
    while !rest.isEmpty {
      let count = try content.read(into: UnsafeMutableRawBufferPointer(rebasing: rest))
      if count == 0 { throw truncated(what, rest.count) }
      rest = rest.dropFirst(count)
    }
  }

  private func truncated(_ what: String, _ missing: Int) -> FormatError {
    FormatError(
      .truncatedRecord, at: origin, expected: "at least \(missing) more bytes of \(what)",
      found: "the end of the record", hint: "copy or make the file again; it was cut short")
  }
}
