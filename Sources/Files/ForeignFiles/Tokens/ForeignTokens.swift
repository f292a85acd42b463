import StreamFormat

/// The codes of one image as another program stored them.
public struct ForeignImageTokens: Equatable, Sendable {
  /// Codes of all views, view after view; how many views these are follows from the grid.
  public var tokens: [Int]
  /// The number of its class.
  public var label: Int
  /// Where it stood, for messages: a file and, in files of several images, the place in it.
  public var place: String
  /// The number of views as the array has it; nil where the codes are a plain list.
  public var views: Int?

  init(tokens: [Int], views: Int?, label: Int, place: String) {
    (self.tokens, self.views, self.label, self.place) = (tokens, views, label, place)
  }

  /// The codes of an array: [tokens], [views, tokens], or the same in an array of one image.
  /// - Throws: ``ForeignFileError`` for an array of other dimensions, such as rows and columns.
  init(_ array: StoredTensor, label: Int, place: String) throws {
    let shape = array.shape.count == 3 && array.shape[0] == 1 ? Array(array.shape.dropFirst()) : array.shape
    guard (1...2).contains(shape.count), !shape.contains(0) else {
      throw ForeignFileError(
        defect: .malformed, file: place, offset: nil,
        expected: "codes of an image as [tokens] or [views, tokens]",
        found: "\(array.shape)", hint: "reshape the array: rows and columns of the grid become one dimension")
    }
    self.init(
      tokens: try array.integers(), views: shape.count == 2 ? shape[0] : nil, label: label, place: place)
  }
}

/// Images in the order of a file or folder, read one after the other so that memory does not grow with their number.
public protocol ForeignTokenSequence: AnyObject {
  /// Names of the classes in the order of their numbers; empty where classes have numbers only.
  var classNames: [String] { get }
  /// Number of classes where the files tell it before all are read.
  var classCount: Int? { get }
  /// The next image, or nil after the last.
  /// - Throws: ``ForeignFileError``, `StreamError`, `FormatError`.
  func next() throws -> ForeignImageTokens?
}

/// Tells classes by the names of folders: where all names are digits they are the classes' numbers, otherwise the names
/// are the classes' names, in the order of names.
struct FolderClasses {
  let names: [String]
  let count: Int
  private let numbers: [String: Int]

  /// The classes of folders, each of which may be named several times.
  /// - Throws: ``ForeignFileError`` for numbers that are too large, for two folders of one number, as `7` and `07`, and for two
  ///   whose names differ in their bytes only, such as é as one character and as two.
  init(_ folders: some Sequence<String>, in root: String) throws {
    func refuse(_ expected: String, _ found: String) -> ForeignFileError {
      ForeignFileError(
        defect: .malformed, file: root, offset: nil, expected: expected, found: found,
        hint: "rename the folders; names that are not all numbers are the classes' names")
    }
    var known: Set<String> = []
    for name in folders {
      let (isNew, other) = known.insert(name)
      guard isNew || other.utf8.elementsEqual(name.utf8) else {
        throw refuse("one spelling of each class", "two of '\(name.prefix(40))'")
      }
    }
    let sorted = known.sorted(by: precedes)
    guard sorted.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else {
      (names, count) = (sorted, sorted.count)
      numbers = Dictionary(uniqueKeysWithValues: sorted.enumerated().map { ($1, $0) })
      return
    }
    var folders: [Int: String] = [:]
    for name in sorted {
      guard let number = Int(name), number < TokenHeader.maximumSize else {
        throw refuse(
          "folders with the numbers of classes, below \(TokenHeader.maximumSize)", "'\(name.prefix(40))'")
      }
      if let other = folders.updateValue(name, forKey: number) {
        throw refuse("a folder for each number", "'\(other.prefix(40))' and '\(name.prefix(40))'")
      }
    }
    (names, count) = ([], (folders.keys.max() ?? 0) + 1)
    numbers = Dictionary(uniqueKeysWithValues: folders.map { ($1, $0) })
  }

  func number(of folder: String) -> Int? { numbers[folder] }
}

/// The order of names, as `areInNameOrder` has it for folders of images.
private func precedes(_ a: String, _ b: String) -> Bool {
  a == b ? a.utf8.lexicographicallyPrecedes(b.utf8) : a < b
}

/// Names in the order of the numbers that they are, `9` before `10`; other names follow in theirs.
func inNumericOrder(_ stems: some Sequence<String>) -> [String] {
  stems.sorted { a, b in
    switch (Int(a), Int(b)) {
    case (let a?, let b?) where a != b: a < b
    case (.some, nil): true
    case (nil, .some): false
    default: precedes(a, b)
    }
  }
}
