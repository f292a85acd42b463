import CZlib
import Foundation
import StreamFormat

/// A zip archive, as `numpy.savez` and `torch.save` write it: members stored or deflated, zip64 included. Every offset
/// and size is checked before it is used, and members are unpacked when they are asked for.
public struct ZipArchive<Bytes>
where
  Bytes: RangeReplaceableCollection<UInt8> & ContiguousBytes, Bytes.Index == Int, Bytes.SubSequence == Bytes
{
  private let file: String
  private let bytes: Bytes
  private var entries: [String: ZipEntry] = [:]

  /// Reads the directory.
  /// - Parameter file: the file's name as the user gave it.
  /// - Throws: ``ForeignFileError``.
  public init(_ bytes: Bytes, file: String) throws {
    (self.file, self.bytes) = (file, bytes)
    var place = try findDirectory()
    for _ in 0..<place.count { try readEntry(at: &place.offset) }
  }

  /// The names of the members, sorted; folders are none.
  public var names: [String] { entries.keys.sorted() }

  /// What a member's bytes must agree with besides their number.
  public enum Check: Sendable {
    /// The CRC-32 in the directory.
    case checksum
    /// Nothing: for writers that leave the checksum out.
    case none
  }

  /// The bytes of a member, without a copy where they are stored; nil if there is none of the name.
  /// - Throws: ``ForeignFileError``.
  public func member(_ name: String, check: Check = .checksum) throws -> Bytes? {
    guard let entry = entries[name] else { return nil }
    let start = try dataStart(of: entry, name)
    guard start <= bytes.count, entry.storedSize <= bytes.count - start else {
      throw error(
        .truncated, start, "\(entry.storedSize) bytes of \(name)",
        "the end of the archive after \(max(0, bytes.count - start))")
    }
    let first = bytes.startIndex + start
    let content = try unpacked(bytes[first..<first + entry.storedSize], entry, name, at: start)
    if check == .checksum, content.withUnsafeBytes(cyclicRedundancyCheck) != entry.checksum {
      throw error(.malformed, start, "\(name) with the checksum stored for it", "another checksum")
    }
    return content
  }

  private func dataStart(of entry: ZipEntry, _ name: String) throws -> Int {
    guard try number(entry.offset, UInt32.self) == 0x0403_4B50 else {
      throw error(.malformed, entry.offset, "the header of \(name)", "other bytes")
    }
    let names = try Int(number(entry.offset + 26, UInt16.self)) + Int(number(entry.offset + 28, UInt16.self))
    return entry.offset + 30 + names
  }

  private func unpacked(_ stored: Bytes, _ entry: ZipEntry, _ name: String, at start: Int) throws -> Bytes {
    switch entry.method {
    case 0 where entry.storedSize == entry.size: return stored
    case 8:
      guard let content = stored.withUnsafeBytes({ inflated($0, size: entry.size) }) else {
        throw error(.malformed, start, "\(entry.size) deflated bytes of \(name)", "damage or another number")
      }
      return Bytes(content)
    default:
      throw error(
        .unsupported, entry.offset, "\(name) stored or deflated",
        "compression method \(entry.method), \(entry.size) bytes in \(entry.storedSize)",
        hint: "write it with numpy.savez, numpy.savez_compressed or torch.save")
    }
  }

  // MARK: Directory

  private func findDirectory() throws -> (offset: Int, count: Int) {
    // The end record is 22 bytes and a comment of at most 65535.
    let first = max(0, bytes.count - 22 - 65535)
    guard let end = stride(from: bytes.count - 22, through: first, by: -1).first(where: isEnd) else {
      throw error(.truncated, bytes.count, "the end of a zip archive", "none, as in a truncated file")
    }
    let place = try directory(end)
    // An entry takes 46 bytes at least.
    guard place.offset <= end, place.count <= (end - place.offset) / 46 else {
      throw error(
        .malformed, end, "a directory within the archive", "\(place.count) entries from \(place.offset)")
    }
    return place
  }

  private func directory(_ end: Int) throws -> (offset: Int, count: Int) {
    let count = try Int(number(end + 10, UInt16.self))
    let offset = try Int(number(end + 16, UInt32.self))
    guard offset == 0xFFFF_FFFF || count == 0xFFFF else { return (offset, count) }
    guard end >= 20, try number(end - 20, UInt32.self) == 0x0706_4B50 else { return (offset, count) }
    let record = try size(number(end - 12, UInt64.self), at: end - 12)
    guard try number(record, UInt32.self) == 0x0606_4B50 else {
      throw error(.malformed, record, "a zip64 end record", "other bytes")
    }
    return (
      try size(number(record + 48, UInt64.self), at: record + 48),
      try size(number(record + 32, UInt64.self), at: record + 32)
    )
  }

  private func isEnd(_ offset: Int) -> Bool {
    (try? number(offset, UInt32.self)) == 0x0605_4B50
      && (try? number(offset + 20, UInt16.self)).map { offset + 22 + Int($0) == bytes.count } == true
  }

  private mutating func readEntry(at offset: inout Int) throws {
    guard try number(offset, UInt32.self) == 0x0201_4B50 else {
      throw error(.malformed, offset, "an entry of the archive's directory", "other bytes")
    }
    let lengths = try [28, 30, 32].map { try Int(number(offset + $0, UInt16.self)) }
    let next = offset + 46 + lengths.reduce(0, +)
    guard next <= bytes.count else {
      throw error(.truncated, offset, "a whole directory entry", "the end of the archive")
    }
    var entry = ZipEntry(
      method: Int(try number(offset + 10, UInt16.self)), checksum: try number(offset + 16, UInt32.self),
      storedSize: Int(try number(offset + 20, UInt32.self)), size: Int(try number(offset + 24, UInt32.self)),
      offset: Int(try number(offset + 42, UInt32.self)))
    let extra = offset + 46 + lengths[0]
    try widen(&entry, from: extra, to: extra + lengths[1])
    let first = bytes.startIndex + offset + 46
    let name = String(decoding: bytes[first..<first + lengths[0]], as: UTF8.self)
    if !name.hasSuffix("/"), entries.updateValue(entry, forKey: name) != nil {
      throw error(.malformed, offset, "each name once", "'\(name)' twice")
    }
    offset = next
  }

  /// Sizes and offset of members beyond 4 GiB are in an extra field, in this order, as far as they do not fit.
  private func widen(_ entry: inout ZipEntry, from first: Int, to end: Int) throws {
    var offset = first
    while offset + 4 <= end {
      let length = Int(try number(offset + 2, UInt16.self))
      if try number(offset, UInt16.self) == 1 {
        var place = offset + 4
        for key in [\ZipEntry.size, \.storedSize, \.offset] where entry[keyPath: key] == 0xFFFF_FFFF {
          guard place + 8 <= min(end, offset + 4 + length) else {
            throw error(.malformed, place, "a 64-bit size", "none")
          }
          let value = try number(place, UInt64.self)
          // What a member unpacks to may be larger than the archive; inflating finds out whether it is.
          entry[keyPath: key] =
            key == \.size ? Int(clamping: value) : try size(value, at: place)
          place += 8
        }
      }
      offset += 4 + length
    }
  }

  // MARK: Numbers

  private func number<Number: FixedWidthInteger>(_ offset: Int, _: Number.Type) throws -> Number {
    let width = MemoryLayout<Number>.size
    guard offset >= 0, offset <= bytes.count - width else {
      throw error(.truncated, offset, "\(width) bytes", "the end of the archive")
    }
    return bytes.withUnsafeBytes {
      Number(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Number.self))
    }
  }

  private func size(_ value: UInt64, at offset: Int) throws -> Int {
    guard value <= UInt64(bytes.count) else {
      throw error(.malformed, offset, "a size within the archive", "\(value)")
    }
    return Int(value)
  }

  private func error(
    _ defect: ForeignFileError.Defect, _ offset: Int, _ expected: String, _ found: String,
    hint: String = "copy the file again, or write it again"
  ) -> ForeignFileError {
    ForeignFileError(
      defect: defect, file: file, offset: max(0, offset), expected: expected, found: found, hint: hint)
  }
}

/// One entry of the directory.
private struct ZipEntry {
  var method: Int
  var checksum: UInt32
  var storedSize: Int
  var size: Int
  var offset: Int
}

/// The signature that zip files begin with.
public let zipSignature: [UInt8] = [0x50, 0x4B, 0x03, 0x04]

private func cyclicRedundancyCheck(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
  UInt32(crc32_z(0, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count))
}
