/// Where a record came from, so that an error found long after reading can still name the place.
public struct Origin: Equatable, Sendable {
  /// File name as the user gave it; "-" for a standard stream.
  public var file: String
  /// Number of the record in the file, from 0.
  public var record: Int?
  /// Byte offset in the file, as stored (compressed), at which the record starts or the defect was met.
  public var offset: UInt64?

  public init(file: String, record: Int? = nil, offset: UInt64? = nil) {
    self.file = file
    self.record = record
    self.offset = offset
  }

  /// The origin of records that were made by this program and not read.
  public static let memory = Origin(file: "(in memory)")
}

/// A defect of a file's content: what is wrong, where, what was expected, what was found, what to try.
public struct FormatError: Error, Equatable, CustomStringConvertible, Sendable {
  /// The kinds of defect, one for each check that a reader makes.
  public enum Defect: String, Sendable, CaseIterable {
    /// The file has no bytes.
    case emptyFile
    /// The first bytes are neither a zstd frame nor a safetensors header.
    case notAContainer
    /// The file ends within a frame.
    case truncatedFrame
    /// The file ends after a whole frame, but before the end mark.
    case missingEndMark
    /// The end mark's counts are not those of the records before it.
    case endMarkMismatch
    /// The zstd data is damaged.
    case corruptFrame
    /// The frame's content does not have the checksum stored with it.
    case checksumMismatch
    /// The frame asks for more memory to decompress than the reader's limit.
    case windowTooLarge
    /// The record ends before the end of its header or its last tensor.
    case truncatedRecord
    /// The record goes on after its last tensor.
    case trailingBytes
    /// The header's stated length is beyond the limit.
    case headerTooLarge
    /// The header is not JSON of the expected structure.
    case headerNotJSON
    /// A shape has a negative or overflowing size, or does not agree with the tensor's bytes.
    case badShape
    /// A tensor is larger than the limit.
    case tensorTooLarge
    /// Two tensors share bytes of the data area.
    case overlap
    /// Bytes of the data area belong to no tensor.
    case gap
    /// A tensor's element type is not one of ``ElementType``.
    case unknownElementType
    /// A name occurs twice in the header.
    case duplicateName
    /// A tensor that is needed is not there.
    case missingTensor
    /// A tensor has another shape than is needed.
    case wrongShape
    /// A tensor that nothing reads is there.
    case unexpectedTensor
    /// A tensor has an element type that cannot be used.
    case wrongType
    /// A metadata string that is needed is not there.
    case missingMetadata
    /// A metadata string cannot be understood.
    case badMetadata
    /// The file is of another kind than is needed.
    case wrongKind
    /// The file is of a version this program does not know.
    case unsupportedVersion
    /// A number is outside its range.
    case valueOutOfRange
    /// The records of one file do not belong together.
    case streamMismatch
    /// The file has no record.
    case noRecord
    /// Shards are missing, doubled or out of order.
    case shardMismatch
  }

  /// Which check failed.
  public let defect: Defect
  /// The file, and where it is known the record and the byte offset.
  public let origin: Origin
  /// What should have been there.
  public let expected: String
  /// What was there.
  public let found: String
  /// What the user can try.
  public let hint: String

  /// A defect; the texts are clauses without a full stop.
  public init(_ defect: Defect, at origin: Origin, expected: String, found: String, hint: String) {
    self.defect = defect
    self.origin = origin
    self.expected = expected
    self.found = found
    self.hint = hint
  }

  /// One line: `file: record 2 at byte 1234: truncated frame; expected ...; found ...; try ...`.
  public var description: String {
    var place = origin.file
    if let record = origin.record { place += ": record \(record)" }
    if let offset = origin.offset {
      place += origin.record == nil ? ": byte \(offset)" : " at byte \(offset)"
    }
    // Names in a file may be of any length; what a person is told may not.
    return visible(
      "\(place): \(defect.phrase); expected \(shortened(expected, to: 200)); found \(shortened(found, to: 130)); "
        + "try: \(shortened(hint, to: 130))")
  }
}

extension FormatError.Defect {
  /// The defect's name in words: `truncatedFrame` is "truncated frame".
  public var phrase: String {
    switch self {
    case .notAContainer: return "not a tensor file"
    case .headerNotJSON: return "header is not as JSON should be"
    default: break
    }
    return rawValue.reduce(into: "") { text, letter in
      text += letter.isUppercase ? " " + letter.lowercased() : String(letter)
    }
  }
}

/// At most so many characters of a text, the last three dots where some are missing.
public func shortened(_ text: String, to limit: Int) -> String {
  text.count <= limit ? text : text.prefix(limit - 3) + "..."
}

/// The text with control characters replaced, so that no file's content can move a terminal's cursor, and with those that turn
/// the direction of what follows.
public func visible(_ text: String) -> String {
  func isHarmful(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.generalCategory == .control || scalar.properties.isBidiControl
  }
  return String(String.UnicodeScalarView(text.unicodeScalars.map { isHarmful($0) ? "\u{FFFD}" : $0 }))
}
