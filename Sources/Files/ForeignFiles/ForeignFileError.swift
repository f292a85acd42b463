import StreamFormat

/// A defect of a file that another program wrote.
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

  /// A defect, in words that complete "expected ...", "found ...", "try: ...".
  public init(
    defect: Defect, file: String, offset: Int?, expected: String, found: String, hint: String
  ) {
    (self.defect, self.file, self.offset) = (defect, file, offset)
    (self.expected, self.found, self.hint) = (expected, found, hint)
  }

  /// One line: the file, the place, what was expected, what was found, what to try.
  public var description: String {
    let place = offset.map { "\(file): byte \($0)" } ?? file
    let name =
      defect == .unknownFormat ? "unknown format" : defect == .tooLarge ? "too large" : defect.rawValue
    return visible("\(place): \(name); expected \(expected); found \(found); try: \(hint)")
  }
}
