import FoundationEssentials
import Glibc
import StreamFormat

/// A tar or zip archive of `CLASS/INDEX.npy`, as RandAR distributes its codes, read in place.
public final class TokenArchive: ForeignTokenSequence {
  public let classNames: [String]
  public let classCount: Int?
  private let classes: FolderClasses
  private let reader: ArchiveReader
  private let file: MappedFile

  /// Reads the names of the members.
  /// - Throws: ``ForeignFileError`` where there are no such members.
  public init(_ file: MappedFile) throws {
    self.file = file
    let listing = try ArchiveReader.open(file)
    // The paths of the folders that are classes, by their bytes: texts that differ in bytes only count as equal.
    var folders: [[UInt8]: [String]] = [:]
    // Hashes of the paths, which would take more memory than all else.
    var members: Set<Int> = []
    while let member = try listing.next() {
      let path = try listing.path()
      guard members.insert(path.hashValue).inserted else {
        throw ForeignFileError(
          defect: .malformed, file: file.name, offset: nil, expected: "each member once",
          found: "'\(member.prefix(80))' twice", hint: "write the archive again")
      }
      if ArchiveReader.isHidden(path) { continue }
      if path.count == 1, Self.hasCodes(path) {
        throw listing.unsuitable(
          "codes in a folder of their class, CLASS/INDEX.npy", "a file beside the folders",
          hint: "an archive of CLASS/INDEX.npy only, or unpack it and give --labels")
      }
      // It may stand for a class.
      if listing.symbolicLink != nil { try listing.requireFile() }
      if let folder = Self.folder(of: path) { folders[Array(folder.joined(separator: "/").utf8)] = folder }
    }
    guard let first = folders.values.first else {
      throw ForeignFileError(
        defect: .malformed, file: file.name, offset: nil, expected: "members CLASS/INDEX.npy", found: "none",
        hint: "check what the archive holds")
    }
    let parents = Set(folders.values.map { Array($0.dropLast()) }).map { $0.joined(separator: "/") }.sorted()
    guard parents.count == 1 else {
      throw ForeignFileError(
        defect: .malformed, file: file.name, offset: nil,
        expected: "the folders of all classes in one folder",
        found: "classes in '\(parents[0].prefix(80))' and in '\(parents[1].prefix(80))'",
        hint: "an archive of one of them")
    }
    // A folder without codes is a class, as it is where the archive is unpacked.
    let empty = listing.folders.filter {
      $0.count == first.count && $0.dropLast() == first.dropLast()
    }
    classes = try FolderClasses((Array(folders.values) + empty).compactMap(\.last), in: file.name)
    (classNames, classCount) = (classes.names, classes.count)
    reader = try ArchiveReader.open(file)
  }

  /// True of the first bytes of an archive that is read here.
  public static func isArchive(_ start: Data) -> Bool {
    ArchiveReader.isArchive(start) || ArchiveReader.isTarArchive(start)
  }

  public func next() throws -> ForeignImageTokens? {
    while let member = try reader.next() {
      guard let folder = Self.folder(of: try reader.path())?.last, let label = classes.number(of: folder)
      else {
        continue
      }
      try reader.requireFile()
      let place = "\(file.name): \(member)"
      return try ForeignImageTokens(
        StoredTensor(numpyIntegers: reader.content(), file: place), label: label, place: place)
    }
    return nil
  }

  /// The folder that a member is in, which is its class; nil of what is no `.npy` file in a folder, and of what is hidden.
  private static func folder(of path: [String]) -> [String]? {
    path.count >= 2 && hasCodes(path) && !ArchiveReader.isHidden(path) ? path.dropLast() : nil
  }

  private static func hasCodes(_ path: [String]) -> Bool { path.last?.hasSuffix(".npy") ?? false }
}
