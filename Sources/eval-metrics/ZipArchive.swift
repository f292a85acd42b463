import Foundation
import StreamFormat
import ToolKit

/// A zip archive of stored (not compressed) files, as `numpy.savez` writes it; zip64 included. Every offset and size
/// is checked before it is used, and each file's checksum when it is opened.
struct ZipArchive {
  private let name: String
  private let data: Data
  private var entries: [String: Entry] = [:]

  private struct Entry {
    var method: Int
    var checksum: UInt32
    var storedSize: Int
    var size: Int
    var offset: Int
  }

  /// The signature that zip files begin with.
  static let signature: [UInt8] = [0x50, 0x4B, 0x03, 0x04]

  /// Maps the file and reads its directory.
  init(path: String) throws {
    name = path
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
    } catch {
      throw StreamError.readFailed(file: path, errno: EIO)
    }
    var place = try findDirectory()
    for _ in 0..<place.count { try readEntry(at: &place.offset) }
  }

  /// The names of the files.
  var names: [String] { entries.keys.sorted() }

  /// The bytes of a file, or nil if there is none of the name.
  func file(_ file: String) throws -> Data? {
    guard let entry = entries[file] else { return nil }
    guard entry.method == 0, entry.storedSize == entry.size else {
      throw damage(
        entry.offset, "\(file) stored without compression", "compression method \(entry.method)",
        try: "numpy.savez instead of numpy.savez_compressed")
    }
    guard try number(entry.offset, UInt32.self) == 0x0403_4B50 else {
      throw damage(entry.offset, "the header of \(file)", "other bytes")
    }
    let names = try Int(number(entry.offset + 26, UInt16.self)) + Int(number(entry.offset + 28, UInt16.self))
    let start = entry.offset + 30 + names
    guard start <= data.count, entry.size <= data.count - start else {
      throw damage(
        start, "\(entry.size) bytes of \(file)", "the end of the archive after \(max(0, data.count - start))")
    }
    let content = data[start..<start + entry.size]
    guard content.withUnsafeBytes({ Checksum.shared.of($0) }) == entry.checksum else {
      throw damage(start, "\(file) with the checksum stored for it", "another checksum")
    }
    return content
  }

  private func findDirectory() throws -> (offset: Int, count: Int) {
    // The end record is 22 bytes and a comment of at most 65535.
    let first = max(0, data.count - 22 - 65535)
    guard let end = stride(from: data.count - 22, through: first, by: -1).first(where: isEnd) else {
      throw damage(data.count, "the end of a zip archive", "none, as in a truncated file")
    }
    let count = try Int(number(end + 10, UInt16.self))
    let offset = try Int(number(end + 16, UInt32.self))
    guard offset == 0xFFFF_FFFF || count == 0xFFFF else { return (offset, count) }
    guard end >= 20, try number(end - 20, UInt32.self) == 0x0706_4B50 else { return (offset, count) }
    let record = try size(number(end - 12, UInt64.self), at: end - 12)
    guard try number(record, UInt32.self) == 0x0606_4B50 else {
      throw damage(record, "a zip64 end record", "other bytes")
    }
    return (
      try size(number(record + 48, UInt64.self), at: record + 48),
      try size(number(record + 32, UInt64.self), at: record + 32)
    )
  }

  private func isEnd(_ offset: Int) -> Bool {
    (try? number(offset, UInt32.self)) == 0x0605_4B50
      && (try? number(offset + 20, UInt16.self)).map { offset + 22 + Int($0) == data.count } == true
  }

  private mutating func readEntry(at offset: inout Int) throws {
    guard try number(offset, UInt32.self) == 0x0201_4B50 else {
      throw damage(offset, "an entry of the archive's directory", "other bytes")
    }
    let lengths = try (28...32).filter { $0 % 2 == 0 }.map { try Int(number(offset + $0, UInt16.self)) }
    let next = offset + 46 + lengths.reduce(0, +)
    guard next <= data.count else {
      throw damage(offset, "a whole directory entry", "the end of the archive")
    }
    let text = String(decoding: data[offset + 46..<offset + 46 + lengths[0]], as: UTF8.self)
    var entry = Entry(
      method: Int(try number(offset + 10, UInt16.self)), checksum: try number(offset + 16, UInt32.self),
      storedSize: Int(try number(offset + 20, UInt32.self)), size: Int(try number(offset + 24, UInt32.self)),
      offset: Int(try number(offset + 42, UInt32.self)))
    let extra = offset + 46 + lengths[0]
    try widen(&entry, from: extra, to: extra + lengths[1])
    guard entries.updateValue(entry, forKey: text) == nil else {
      throw damage(offset, "each name once", "'\(visible(text))' twice")
    }
    offset = next
  }

  /// Sizes and offset of files beyond 4 GiB are in an extra field, in this order, as far as they do not fit.
  private func widen(_ entry: inout Entry, from first: Int, to end: Int) throws {
    var offset = first
    while offset + 4 <= end {
      let length = Int(try number(offset + 2, UInt16.self))
      if try number(offset, UInt16.self) == 1 {
        var place = offset + 4
        for key in [\Entry.size, \.storedSize, \.offset] where entry[keyPath: key] == 0xFFFF_FFFF {
          guard place + 8 <= min(end, offset + 4 + length) else {
            throw damage(place, "a 64-bit size", "none")
          }
          entry[keyPath: key] = try size(number(place, UInt64.self), at: place)
          place += 8
        }
      }
      offset += 4 + length
    }
  }

  private func number<Number: FixedWidthInteger>(_ offset: Int, _: Number.Type) throws -> Number {
    let width = MemoryLayout<Number>.size
    guard offset >= 0, offset <= data.count - width else {
      throw damage(offset, "\(width) bytes", "the end of the archive")
    }
    return data.withUnsafeBytes {
      Number(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Number.self))
    }
  }

  private func size(_ value: UInt64, at offset: Int) throws -> Int {
    guard value <= UInt64(data.count) else { throw damage(offset, "a size within the archive", "\(value)") }
    return Int(value)
  }

  private func damage(
    _ offset: Int, _ expected: String, _ found: String, try hint: String = "write the archive again"
  ) -> ToolError {
    ToolError(.badData, "\(name): byte \(max(0, offset)): expected \(expected); found \(found); try: \(hint)")
  }
}

/// CRC-32 as zip uses it, eight bytes at a time.
private struct Checksum {
  static let shared = Checksum()
  private let tables: [UInt32]

  private init() {
    var tables: [UInt32] = []
    for byte in UInt32(0)..<256 {
      var value = byte
      for _ in 0..<8 { value = value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
      tables.append(value)
    }
    for index in 256..<8 * 256 {
      let previous = tables[index - 256]
      tables.append(tables[Int(previous & 255)] ^ (previous >> 8))
    }
    self.tables = tables
  }

  func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    tables.withUnsafeBufferPointer { tables in
      var sum = ~UInt32(0)
      var place = 0
      while place + 8 <= bytes.count {
        var word = bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self).littleEndian ^ UInt64(sum)
        sum = 0
        for table in stride(from: 7, through: 0, by: -1) {
          sum ^= tables[table << 8 | Int(word & 255)]
          word >>= 8
        }
        place += 8
      }
      while place < bytes.count {
        sum = tables[Int(UInt8(truncatingIfNeeded: sum) ^ bytes[place])] ^ (sum >> 8)
        place += 1
      }
      return ~sum
    }
  }
}
