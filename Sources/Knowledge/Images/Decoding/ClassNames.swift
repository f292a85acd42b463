/// The names of classes, in the order of names.
public struct ClassNames: Equatable, Sendable {
  public let names: [String]

  /// The names, each once.
  /// - Throws: `ImageError.sameClass` for two names that differ in their bytes only, such as é as one character and as two: to
  ///   every comparison of texts they are one name.
  public init(_ names: some Sequence<String>, in place: String) throws(ImageError) {
    var known: Set<String> = []
    for name in names {
      let (isNew, other) = known.insert(name)
      if !isNew, !other.utf8.elementsEqual(name.utf8) { throw .sameClass(folder: place, name: name) }
    }
    self.names = known.sorted(by: areInNameOrder)
  }
}

/// The classes that folders are, in the order of the names of the classes.
public struct FolderClassNames: Sendable {
  public let names: [String]
  /// In the order of the names.
  let folders: [FilePath]
  private let numbers: [FilePath: Int]

  /// The classes of folders, each of which may be named several times.
  /// - Throws: `ImageError.sameClass` for two folders of one class.
  public init(_ folders: some Sequence<FilePath>, in place: String) throws(ImageError) {
    var named: [String: FilePath] = [:]
    for folder in Set(folders) {
      let name = ClassFolder.className(of: folder)
      if named.updateValue(folder, forKey: name) != nil { throw .sameClass(folder: place, name: name) }
    }
    let sorted = named.sorted { areInNameOrder($0.key, $1.key) }
    (names, self.folders) = (sorted.map(\.key), sorted.map(\.value))
    numbers = Dictionary(uniqueKeysWithValues: sorted.enumerated().map { ($1.value, $0) })
  }

  /// One class, of no folder.
  public init(_ name: String) { (names, folders, numbers) = ([name], [], [:]) }

  /// The number of a folder's class; nil of another folder.
  public func number(of folder: FilePath) -> Int? { numbers[folder] }
}
