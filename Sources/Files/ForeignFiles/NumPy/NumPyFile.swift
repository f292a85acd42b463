import Foundation
import StreamFormat

/// The array of an `.npy` file.
enum NumPyFile {
  static let start: [UInt8] = [0x93] + Array("NUMPY".utf8)

  static func read(_ bytes: ArraySlice<UInt8>, file: String) throws -> PickleTensor {
    var cursor = ByteCursor(bytes, file: file)
    let begin = cursor.position
    guard Array(try cursor.take(6, "an .npy file's start")) == start else {
      throw cursor.error(
        .malformed, at: begin, expected: "an .npy file", found: "other bytes", hint: "copy the file again")
    }
    let version = try cursor.byte("a version")
    _ = try cursor.byte("a version")
    guard (1...3).contains(version) else {
      throw cursor.error(
        .unsupported, expected: "version 1 to 3 of .npy", found: "\(version)", hint: "save the array again")
    }
    let length =
      try version == 1 ? cursor.integer(UInt16.self, "a length") : cursor.integer(UInt32.self, "a length")
    let header = String(decoding: try cursor.take(length, "the header"), as: UTF8.self)
    guard let code = text(of: "descr", in: header), let order = text(of: "fortran_order", in: header),
      let shapeText = text(of: "shape", in: header), let shape = integers(shapeText)
    else {
      throw cursor.error(
        .malformed, at: begin, expected: "a header with descr, fortran_order and shape",
        found: String(header.prefix(80)),
        hint: "save the array again")
    }
    let name = code.trimming("'")
    guard let mark = name.first, let type = ElementType(numpy: String(name.dropFirst())),
      mark == "<" || mark == "|" && type.byteCount == 1
    else {
      throw cursor.error(
        .unsupported, at: begin, expected: "little-endian numbers", found: "element type \(name.prefix(40))",
        hint: "save the array as float32")
    }
    return try PickleTensor(
      bytes: try cursor.take(cursor.remaining, "the array"), type: type, shape: shape,
      isFortran: order == "True", cursor,
      at: begin)
  }

  /// The value of a key in the header, a Python dictionary of one level.
  private static func text(of key: String, in header: String) -> String? {
    guard let range = header.range(of: "'\(key)':") else { return nil }
    let rest = header[range.upperBound...].drop { $0 == " " }
    let end = rest.first == "(" ? rest.firstIndex(of: ")") : rest.firstIndex { $0 == "," || $0 == "}" }
    return end.map { String(rest[..<$0]) }
  }

  private static func integers(_ text: String) -> [Int]? {
    let parts = text.dropFirst().split(separator: ",").map { String($0).trimming(" ") }.filter { !$0.isEmpty }
    let values = parts.compactMap { Int($0) }
    return values.count == parts.count && values.allSatisfy({ $0 >= 0 }) ? values : nil
  }
}

extension String {
  fileprivate func trimming(_ character: Character) -> String {
    String(drop { $0 == character }.reversed().drop { $0 == character }.reversed())
  }
}
