/// Images and their classes, in the order in which they are to be read.
public struct ImageListing: Sendable, Equatable {
  public struct Entry: Sendable, Equatable {
    /// Where the file is.
    public var path: String
    /// Index into `classNames`.
    public var label: Int

    /// An entry from its parts.
    public init(path: String, label: Int) {
      self.path = path
      self.label = label
    }
  }

  /// The classes; a label is an index into them.
  public var classNames: [String]
  /// The images.
  public var entries: [Entry]

  /// A listing from its parts.
  public init(classNames: [String], entries: [Entry]) {
    self.classNames = classNames
    self.entries = entries
  }
}

extension ImageListing {
  /// A listing from text, one image a line: `path`, or `path TAB class`. Without a class, the name of the folder
  /// that holds the file is taken (`images` where the path names none), so `find` can feed it. Empty lines are
  /// skipped.
  ///
  /// With `classNames` labels follow that order; otherwise the classes are sorted by their bytes. `name` is the
  /// list's, for errors. Throws `ImageError.malformedList`, `.unknownClass` and `.noImages`.
  public init(list: String, name: String, classNames known: [String]? = nil) throws(ImageError) {
    var lines: [(path: String, className: String, line: Int)] = []
    for (index, text) in list.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if let (path, className) = try Self.parse(text, line: index + 1, list: name) {
        lines.append((path, className, index + 1))
      }
    }
    if lines.isEmpty { throw .noImages(folder: name) }
    let names = known ?? sortedByBytes(Set(lines.map(\.className)))
    let labels = Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    var entries: [Entry] = []
    for (path, className, line) in lines {
      guard let label = labels[className] else {
        throw .unknownClass(list: name, line: line, found: className, known: names)
      }
      entries.append(Entry(path: path, label: label))
    }
    self.init(classNames: names, entries: entries)
  }

  private static func parse(
    _ text: Substring, line: Int, list: String
  ) throws(ImageError) -> (path: String, className: String)? {
    // Swift sees "\r\n" as one character, so a list from Windows would not even split at "\n".
    if text.unicodeScalars.contains("\r") {
      throw .malformedList(list: list, line: line, found: "a carriage return")
    }
    if text.isEmpty { return nil }
    let fields = text.split(separator: "\t", omittingEmptySubsequences: false)
    guard fields.count <= 2, fields.allSatisfy({ !$0.isEmpty }) else {
      throw .malformedList(list: list, line: line, found: String(text))
    }
    let path = String(fields[0])
    return (path, fields.count == 2 ? String(fields[1]) : folderName(of: path))
  }

  private static func folderName(of path: String) -> String {
    let parts = path.split(separator: "/")
    guard parts.count >= 2, parts[parts.count - 2] != "." else { return "images" }
    return String(parts[parts.count - 2])
  }
}

/// Sorted by UTF-8 bytes: the same on every machine, whatever the locale.
func sortedByBytes(_ names: some Sequence<String>) -> [String] {
  names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
}
