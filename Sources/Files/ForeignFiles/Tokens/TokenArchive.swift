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
    var folders: Set<String> = []
    // Hashes of the names, which would take more memory than all else.
    var members: Set<Int> = []
    while let member = try listing.next() {
      guard members.insert(member.hashValue).inserted else {
        throw ForeignFileError(
          defect: .malformed, file: file.name, offset: nil, expected: "each member once",
          found: "'\(member.prefix(80))' twice", hint: "write the archive again")
      }
      if let folder = Self.folder(of: try listing.path()) { folders.insert(folder) }
    }
    guard !folders.isEmpty else {
      throw ForeignFileError(
        defect: .malformed, file: file.name, offset: nil, expected: "members CLASS/INDEX.npy", found: "none",
        hint: "check what the archive holds")
    }
    classes = try FolderClasses(folders, in: file.name)
    (classNames, classCount) = (classes.names, classes.count)
    reader = try ArchiveReader.open(file)
  }

  /// True of the first bytes of an archive that is read here.
  public static func isArchive(_ start: Data) -> Bool {
    ArchiveReader.isArchive(start) || ArchiveReader.isTarArchive(start)
  }

  public func next() throws -> ForeignImageTokens? {
    while let member = try reader.next() {
      guard let folder = Self.folder(of: try reader.path()), let label = classes.number(of: folder) else {
        continue
      }
      try reader.requireFile()
      let place = "\(file.name): \(member)"
      return try ForeignImageTokens(
        StoredTensor(numpyIntegers: reader.content(), file: place), label: label, place: place)
    }
    return nil
  }

  /// The folder that a member is in, which is its class; nil of what is no `.npy` file in a folder.
  private static func folder(of path: [String]) -> String? {
    guard path.count >= 2, let file = path.last, file.hasSuffix(".npy"), !file.hasPrefix(".") else {
      return nil
    }
    return path[path.count - 2]
  }
}
