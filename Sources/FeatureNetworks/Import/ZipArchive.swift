/// The stored (not compressed) members of a zip archive, as torch and numpy write them.
struct ZipArchive {
  private(set) var members: [String: ArraySlice<UInt8>] = [:]

  /// Reads the central directory; Zip64 as far as large torch files need it.
  init(_ bytes: [UInt8], file: String) throws {
    let all = ByteCursor(bytes[...], file: file)
    let end = try Self.findEnd(all)
    var cursor = all
    cursor.position = end.directory
    for _ in 0..<end.count {
      let entry = try Entry(&cursor)
      if entry.name.hasSuffix("/") { continue }
      guard members[entry.name] == nil else {
        throw all.error(
          .malformed, expected: "each member once", found: "two of \(entry.name)", hint: "copy the file again"
        )
      }
      members[entry.name] = try entry.data(all)
    }
  }

  private static func findEnd(_ all: ByteCursor) throws -> (directory: Int, count: Int) {
    let signature: [UInt8] = [0x50, 0x4B, 5, 6]
    let bytes = all.bytes
    // A comment of up to 65535 bytes may follow the 22 bytes of the end.
    var place = bytes.endIndex - 22
    let lowest = max(bytes.startIndex, place - 65535)
    while place >= lowest, Array(bytes[place..<place + 4]) != signature { place -= 1 }
    guard place >= lowest else {
      throw all.error(
        .truncated, at: bytes.endIndex, expected: "the end of a zip archive", found: "the end of the file",
        hint: "copy the file again; it was cut short")
    }
    var cursor = all
    cursor.position = place + 10
    var count = try cursor.integer(UInt16.self, "the number of members")
    _ = try cursor.integer(UInt32.self, "the directory's size")
    var directory = try cursor.integer(UInt32.self, "the directory's offset")
    if count == 0xFFFF || directory == 0xFFFF_FFFF, place >= 20 {
      cursor.position = place - 20 + 8
      let end64 = try cursor.integer(UInt64.self, "the Zip64 end")
      cursor.position = try inside(all, end64, need: 56)
      _ = try cursor.take(32, "the Zip64 end")
      count = try cursor.integer(UInt64.self, "the number of members")
      _ = try cursor.integer(UInt64.self, "the directory's size")
      directory = try cursor.integer(UInt64.self, "the directory's offset")
    }
    // Each entry of the directory takes 46 bytes at least.
    guard count <= bytes.count / 46 else {
      throw all.error(
        .malformed, expected: "at most \(bytes.count / 46) members", found: "\(count)",
        hint: "copy the file again")
    }
    return (try inside(all, directory, need: 0), count)
  }

  fileprivate static func inside(_ all: ByteCursor, _ offset: Int, need: Int) throws -> Int {
    guard offset >= 0, offset <= all.bytes.count - need else {
      throw all.error(
        .malformed, expected: "an offset inside the file", found: "\(offset)", hint: "copy the file again")
    }
    return all.bytes.startIndex + offset
  }
}

/// One entry of the central directory.
private struct Entry {
  var name: String
  var method: Int
  var compressed: Int
  var size: Int
  var offset: Int

  init(_ cursor: inout ByteCursor) throws {
    let start = cursor.position
    guard try cursor.integer(UInt32.self, "a directory entry") == 0x0201_4B50 else {
      throw cursor.error(
        .malformed, at: start, expected: "a directory entry", found: "other bytes",
        hint: "copy the file again")
    }
    _ = try cursor.take(6, "a directory entry")
    method = try cursor.integer(UInt16.self, "a method")
    _ = try cursor.take(8, "a directory entry")
    compressed = try cursor.integer(UInt32.self, "a size")
    size = try cursor.integer(UInt32.self, "a size")
    let nameLength = try cursor.integer(UInt16.self, "a length")
    let extraLength = try cursor.integer(UInt16.self, "a length")
    let commentLength = try cursor.integer(UInt16.self, "a length")
    _ = try cursor.take(8, "a directory entry")
    offset = try cursor.integer(UInt32.self, "an offset")
    name = String(decoding: try cursor.take(nameLength, "a name"), as: UTF8.self)
    try readZip64(ByteCursor(try cursor.take(extraLength, "extra fields"), file: cursor.file))
    _ = try cursor.take(commentLength, "a comment")
  }

  /// Sizes beyond 32 bits stand in an extra field, in this order, those alone that are too large.
  private mutating func readZip64(_ extra: ByteCursor) throws {
    var extra = extra
    while extra.remaining >= 4 {
      let kind = try extra.integer(UInt16.self, "an extra field")
      let length = try extra.integer(UInt16.self, "an extra field")
      var field = ByteCursor(try extra.take(length, "an extra field"), file: extra.file)
      guard kind == 1 else { continue }
      if size == 0xFFFF_FFFF { size = try field.integer(UInt64.self, "a size") }
      if compressed == 0xFFFF_FFFF { compressed = try field.integer(UInt64.self, "a size") }
      if offset == 0xFFFF_FFFF { offset = try field.integer(UInt64.self, "an offset") }
    }
  }

  /// The member's bytes, behind its local header.
  func data(_ all: ByteCursor) throws -> ArraySlice<UInt8> {
    var cursor = all
    cursor.position = try ZipArchive.inside(all, offset, need: 30)
    guard method == 0, compressed == size else {
      throw cursor.error(
        .unsupported, expected: "members that are not compressed", found: "\(name) with method \(method)",
        hint: "save without compression (torch.save and numpy.savez do)")
    }
    guard try cursor.integer(UInt32.self, "a member") == 0x0403_4B50 else {
      throw cursor.error(
        .malformed, expected: "the member \(name)", found: "other bytes", hint: "copy the file again")
    }
    _ = try cursor.take(22, "a member")
    let nameLength = try cursor.integer(UInt16.self, "a length")
    let extraLength = try cursor.integer(UInt16.self, "a length")
    _ = try cursor.take(nameLength + extraLength, "a member's header")
    return try cursor.take(size, "member \(name)")
  }
}
