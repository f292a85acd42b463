import FoundationEssentials
import Glibc

/// The bytes of a file, read with every length checked.
struct ByteCursor {
  let bytes: Data
  let file: String
  /// Index in `bytes` of the next byte; a file's offset, since slices keep their indices.
  var position: Int

  init(_ bytes: Data, file: String) {
    (self.bytes, self.file, position) = (bytes, file, bytes.startIndex)
  }

  var remaining: Int { bytes.endIndex - position }

  mutating func take(_ count: Int, _ what: String) throws -> Data {
    guard count >= 0, count <= remaining else {
      throw error(
        .truncated, expected: "\(count) bytes of \(what)", found: "\(remaining)", hint: "copy the file again")
    }
    position += count
    return bytes[position - count..<position]
  }

  mutating func byte(_ what: String) throws -> UInt8 { try take(1, what).first! }

  /// A little-endian number; one that does not fit is refused.
  mutating func integer<Stored: FixedWidthInteger>(_ type: Stored.Type, _ what: String) throws -> Int {
    let start = position
    let value = try take(MemoryLayout<Stored>.size, what).reversed().reduce(Stored(0)) {
      $0 << 8 | Stored(truncatingIfNeeded: $1)
    }
    guard let result = Int(exactly: value) else {
      throw error(
        .malformed, at: start, expected: "\(what) below 2^63", found: "\(value)", hint: "copy the file again")
    }
    return result
  }

  func error(
    _ defect: ForeignFileError.Defect, at offset: Int? = nil, expected: String, found: String, hint: String
  ) -> ForeignFileError {
    ForeignFileError(
      defect: defect, file: file, offset: offset ?? position, expected: expected, found: found, hint: hint)
  }
}
