import Datasets
import StreamFormat
import ToolRuntime

/// Classes by name and number, as a token file or a model has them.
public struct ClassList {
  /// The names in the order of the numbers; empty where there are none, or each class is called by its own number, as those of
  /// arrays of images are.
  public let names: [String]
  /// Number of classes.
  public let count: Int
  /// The file, for messages.
  public let file: String

  /// Their numbers.
  var places: Range<Int> { 0..<count }

  /// The number of each name; of equal names the first.
  var numbers: [String: Int] { Dictionary(names.enumerated().map { ($1, $0) }) { first, _ in first } }

  /// The classes of a file.
  public init(names: [String], count: Int, file: String) {
    self.names = names.indices.allSatisfy { names[$0] == "\($0)" } ? [] : names
    (self.count, self.file) = (count, file)
  }

  /// The classes of a token file.
  public init(_ header: TokenHeader, file: String) {
    self.init(names: header.classNames, count: header.classCount, file: file)
  }
}

extension ToolSession {
  /// The number that each class of one file has in another. Classes are matched by name: a folder without one of the
  /// classes gives every later class another number. Only where one of the files has no names do the numbers count.
  /// - Parameter noClass: the number for images of no class, as `sample` draws them; nil where there is none.
  /// - Throws: `ToolError` (bad data) for a class that the other file does not have.
  public func matchClasses(_ own: ClassList, to other: ClassList, noClass: Int? = nil) throws -> [Int] {
    let unconditional = noClass.map { ["no-class": $0] } ?? [:]
    guard !own.names.isEmpty, !other.names.isEmpty else {
      // Images of no class have the number after the last one.
      guard own.count <= other.count + unconditional.count else {
        throw ToolError(
          .badData, own.file,
          expected: "at most \(other.count) classes, for \(other.file)",
          found: "\(own.count)",
          try: "the files of one data set")
      }
      if own.names.isEmpty != other.names.isEmpty {
        say(
          "\(own.names.isEmpty ? own.file : other.file): no class names; classes are matched by their numbers"
        )
      }
      return (0..<own.count).map { $0 < other.count ? $0 : noClass ?? $0 }
    }
    let known = other.numbers
    return try own.names.map { name in
      guard let number = known[name] ?? unconditional[name] else {
        throw ToolError(
          .badData, own.file,
          expected: "the \(other.count) classes of \(other.file), or some of them",
          found: "a class '\(visible(shortened(name, to: 80)))' that is none of them",
          try: "tokens of the data set that the other file was made from")
      }
      return number
    }
  }
}
