import StreamFormat

/// A defect of a weights file that another program wrote.
public struct ForeignFileError: Error, Equatable, CustomStringConvertible, Sendable {
  /// The kinds of defect.
  public enum Defect: String, Sendable, CaseIterable {
    /// The file is of no format that is read here.
    case unknownFormat
    /// The file ends too early.
    case truncated
    /// The file breaks the rules of its format.
    case malformed
    /// The pickle asks for something that is not needed for arrays of numbers; nothing of it was run.
    case refused
    /// The file is well-formed and uses something that is not read here.
    case unsupported
    /// The file's arrays would take far more memory than the file.
    case tooLarge
  }

  /// What kind of defect.
  public let defect: Defect
  /// The file's name as the user gave it.
  public let file: String
  /// Byte offset at which the defect was met, where it is known.
  public let offset: Int?
  /// What should have been there.
  public let expected: String
  /// What was there.
  public let found: String
  /// What the user can try.
  public let hint: String

  /// One line: the file, the place, what was expected, what was found, what to try.
  public var description: String {
    let place = offset.map { "\(file): byte \($0)" } ?? file
    let name =
      defect == .unknownFormat ? "unknown format" : defect == .tooLarge ? "too large" : defect.rawValue
    return visible("\(place): \(name); expected \(expected); found \(found); try: \(hint)")
  }
}

/// The bytes of a file, read with every length checked.
struct ByteCursor {
  let bytes: ArraySlice<UInt8>
  let file: String
  /// Index in `bytes` of the next byte; a file's offset, since slices keep their indices.
  var position: Int

  init(_ bytes: ArraySlice<UInt8>, file: String) {
    (self.bytes, self.file, position) = (bytes, file, bytes.startIndex)
  }

  var remaining: Int { bytes.endIndex - position }

  mutating func take(_ count: Int, _ what: String) throws -> ArraySlice<UInt8> {
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
