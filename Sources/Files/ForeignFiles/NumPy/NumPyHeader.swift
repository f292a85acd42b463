import FoundationEssentials
import Glibc
import StreamFormat

/// What the first bytes of an `.npy` file say of its array.
public struct NumPyHeader: Equatable, Sendable {
  /// Type of the elements; they are little-endian.
  public let elementType: ElementType
  /// Sizes, slowest dimension first.
  public let shape: [Int]
  /// True where the first dimension is the fastest in the file.
  public let isFortran: Bool

  /// An array of ours, in C order.
  /// - Precondition: NumPy has the type; it has no bfloat16.
  public init(_ elementType: ElementType, _ shape: [Int]) {
    (self.elementType, self.shape, isFortran) = (elementType, shape, false)
  }

  /// Size of the elements in bytes; nil if it does not fit.
  public var byteCount: Int? { StreamFormat.byteCount(of: shape, elementType) }

  /// The bytes that `.npy` files begin with.
  public static let start: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Reads a header, versions 1 to 3.
  /// - Parameters:
  ///   - name: what messages call the file.
  ///   - take: gives the next bytes, or fewer at the end.
  /// - Throws: ``ForeignFileError``, and what `take` throws.
  init(name: String, take: (Int) throws -> Data) throws {
    func error(_ defect: ForeignFileError.Defect, _ expected: String, _ found: String) -> ForeignFileError {
      ForeignFileError(
        defect: defect, file: name, offset: nil, expected: expected, found: found,
        hint: "write the array again with numpy.save or numpy.savez")
    }
    let head = Array(try take(8))
    guard head.count == 8 else { throw error(.truncated, "an .npy array", "\(head.count) bytes") }
    guard head.starts(with: Self.start) else { throw error(.malformed, "an .npy array", "other bytes") }
    guard (1...3).contains(head[6]) else {
      throw error(.unsupported, "version 1 to 3 of .npy", "version \(head[6])")
    }
    let width = head[6] == 1 ? 2 : 4
    let length = try take(width).reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length < 1 << 16 else { throw error(.malformed, "a header below 64 KiB", "\(length) bytes") }
    let text = String(decoding: try take(length), as: UTF8.self)
    guard text.utf8.count == length else { throw error(.truncated, "a header of \(length) bytes", "fewer") }
    guard let code = Self.value(of: "descr", in: text),
      let order = Self.value(of: "fortran_order", in: text)?.trimming(" "),
      ["True", "False"].contains(order),
      let shape = Self.value(of: "shape", in: text).flatMap(Self.integers)
    else {
      throw error(.malformed, "a header with descr, fortran_order and shape", String(text.prefix(80)))
    }
    let type = code.trimming("'")
    guard let mark = type.first, let elementType = ElementType(numpy: String(type.dropFirst())),
      mark == "<" || mark == "|" && elementType.byteCount == 1
    else {
      throw ForeignFileError(
        defect: .unsupported, file: name, offset: nil, expected: "little-endian numbers, real or boolean",
        found: "element type \(type.prefix(40))", hint: "numpy.save(file, array.astype('<i4')), or '<f4'")
    }
    (self.elementType, self.shape, isFortran) = (elementType, shape, order == "True")
  }

  /// The header's bytes in version 1.0, padded so that the elements start at a multiple of 64.
  public var bytes: [UInt8] {
    let sizes = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    let mark = elementType.byteCount == 1 ? "|" : "<"
    var text =
      "{'descr': '\(mark)\(elementType.numpyCode)', 'fortran_order': False, 'shape': (\(sizes)), }"
    text += String(repeating: " ", count: 63 - (10 + text.utf8.count) % 64) + "\n"
    let length = UInt16(text.utf8.count)
    return Self.start + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)] + Array(text.utf8)
  }

  /// The value of a key in the header, a Python dictionary of one level.
  private static func value(of key: String, in header: String) -> String? {
    guard let range = header.firstRange(of: "'\(key)':") else { return nil }
    let rest = header[range.upperBound...].drop { $0 == " " }
    let end = rest.first == "(" ? rest.firstIndex(of: ")") : rest.firstIndex { $0 == "," || $0 == "}" }
    return end.map { String(rest[..<$0]) }
  }

  private static func integers(_ text: String) -> [Int]? {
    guard text.first == "(" else { return nil }
    let parts = text.dropFirst().split(separator: ",").map { String($0).trimming(" ") }.filter { !$0.isEmpty }
    let values = parts.compactMap { Int($0) }
    return values.count == parts.count && values.allSatisfy({ $0 >= 0 }) ? values : nil
  }
}

extension PickleTensor {
  /// The array of an `.npy` file.
  init(numpy bytes: Data, name: String) throws {
    var rest = bytes
    let header = try NumPyHeader(name: name) { count in
      defer { rest = rest.dropFirst(count) }
      return rest.prefix(count)
    }
    let cursor = ByteCursor(rest, file: name)
    try self.init(
      bytes: rest, type: header.elementType, shape: header.shape, isFortran: header.isFortran, cursor,
      at: rest.startIndex)
  }
}

extension ElementType {
  /// NumPy's types by their codes, without the byte order.
  private static let numpyTypes: [String: ElementType] = [
    "f2": .float16, "f4": .float32, "f8": .float64, "i1": .int8, "i2": .int16, "i4": .int32, "i8": .int64,
    "u1": .uint8, "u2": .uint16, "u4": .uint32, "u8": .uint64, "b1": .bool,
  ]

  /// The type of a numpy type string, without its byte order: `f4`, `i8`, `b1`.
  init?(numpy code: String) {
    guard let type = Self.numpyTypes[code] else { return nil }
    self = type
  }

  fileprivate var numpyCode: String {
    guard let code = Self.numpyTypes.first(where: { $0.value == self })?.key else {
      preconditionFailure("NumPy has no \(rawValue)")
    }
    return code
  }
}

extension String {
  fileprivate func trimming(_ character: Character) -> String {
    String(drop { $0 == character }.reversed().drop { $0 == character }.reversed())
  }
}
