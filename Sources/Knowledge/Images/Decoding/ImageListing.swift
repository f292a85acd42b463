/// Images and their classes, in the order in which they are to be read.
public struct ImageListing: Sendable, Equatable {
  public struct Entry: Sendable, Equatable {
    /// Where the image is.
    public var source: ImageSource
    /// Index into `classNames`.
    public var label: Int

    /// An entry from its parts.
    public init(_ source: ImageSource, label: Int) { (self.source, self.label) = (source, label) }

    /// An image file.
    public init(path: FilePath, label: Int) { self.init(.file(path), label: label) }

    /// An image file.
    public init(path: String, label: Int) { self.init(path: FilePath(path), label: label) }

    /// As messages name it.
    public var name: String { source.name }
    /// The file, unless the image is part of one.
    public var path: FilePath? { source.path }
  }

  /// The classes; a label is an index into them.
  public var classNames: [String]
  /// The images.
  public var entries: [Entry]
  /// Files that are images of other formats and were passed over, by their ending.
  public var passedOver: [String: Int]

  /// A listing from its parts.
  public init(classNames: [String], entries: [Entry], passedOver: [String: Int] = [:]) {
    self.classNames = classNames
    self.entries = entries
    self.passedOver = passedOver
  }
}

extension ImageListing {
  /// A listing from the bytes of a text, one image a line: `path`, or `path TAB class`. Without a class, the name of the
  /// folder that holds the file is taken (`images` where the path names none), so `find` can feed it. Empty lines are
  /// skipped. Where the text has zero bytes, they and not line feeds end the entries, as with `find -print0`. Names are
  /// bytes; a class that is no UTF-8 is named as ``ClassFolder`` says.
  ///
  /// With `classNames` labels follow that order; otherwise the classes are in the order of names. `name` is the
  /// list's, for errors. Throws `ImageError.malformedList`, `.sameClass`, `.unknownClass` and `.noImages`.
  public init(list: [UInt8], name: String, classNames known: [String]? = nil) throws(ImageError) {
    let hasZeros = list.contains(0)
    let separator = hasZeros ? 0 : UInt8(ascii: "\n")
    var lines: [(path: FilePath, className: String, line: Int)] = []
    for (index, line) in list.split(separator: separator, omittingEmptySubsequences: false).enumerated() {
      if !hasZeros, line.contains(UInt8(ascii: "\r")) {
        throw .malformedList(list: name, line: index + 1, found: "a carriage return")
      }
      if line.isEmpty { continue }
      let fields = line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
      guard fields.count <= 2, fields.allSatisfy({ !$0.isEmpty }) else {
        throw .malformedList(list: name, line: index + 1, found: readableText(of: Array(line)))
      }
      let className = fields.count == 2 ? readableText(of: Array(fields[1])) : Self.folderName(of: fields[0])
      lines.append((FilePath(fields[0]), className, index + 1))
    }
    if lines.isEmpty { throw .noImages(folder: name) }
    let names: [String]
    if let known { names = known } else { names = try ClassNames(lines.map(\.className), in: name).names }
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

  /// A listing from a text.
  public init(list: String, name: String, classNames known: [String]? = nil) throws(ImageError) {
    try self.init(list: Array(list.utf8), name: name, classNames: known)
  }

  private static func folderName(of path: ArraySlice<UInt8>) -> String {
    let parts = path.split(separator: UInt8(ascii: "/"))
    guard parts.count >= 2, !parts[parts.count - 2].elementsEqual(".".utf8) else { return "images" }
    return ClassFolder.className(of: FilePath(parts[parts.count - 2]))
  }
}

extension ImageListing {
  /// A listing of images whose classes have numbers and no names: a class is named as its number.
  /// - Parameter classCount: how many there are; nil for the largest label and one.
  /// - Throws: `ImageError.noImages`; `.unknownClass` for a label that is not below the number of classes.
  public init(
    numbered images: [(source: ImageSource, label: Int)], classCount: Int?, name: String
  ) throws(ImageError) {
    guard let largest = images.map(\.label).max() else { throw .noImages(folder: name) }
    let count = classCount ?? min(max(0, largest), Self.largestLabel) + 1
    for (place, image) in images.enumerated() where !(0..<count).contains(image.label) {
      throw .unknownClass(
        list: name, line: place + 1, found: "\(image.label)", known: ["0 to \(count - 1)"])
    }
    self.init(
      classNames: (0..<count).map(String.init), entries: images.map { Entry($0.source, label: $0.label) })
  }

  /// The largest number that a class can have: each record of a token file names all classes.
  public static let largestLabel = (1 << 16) - 1
}
