import Foundation
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
    try Self.requireEnd(of: file)
    let listing = try Self.open(file)
    var folders: Set<String> = []
    // Hashes of the names, which would take more memory than all else.
    var members: Set<Int> = []
    while let member = try listing.next() {
      guard members.insert(member.hashValue).inserted else {
        throw ForeignFileError(
          defect: .malformed, file: file.name, offset: nil, expected: "each member once",
          found: "'\(member.prefix(80))' twice", hint: "write the archive again")
      }
      if let folder = Self.folder(of: member) { folders.insert(folder) }
    }
    guard !folders.isEmpty else {
      throw ForeignFileError(
        defect: .malformed, file: file.name, offset: nil, expected: "members CLASS/INDEX.npy", found: "none",
        hint: "check what the archive holds")
    }
    classes = FolderClasses(folders)
    (classNames, classCount) = (classes.names, classes.count)
    reader = try Self.open(file)
  }

  /// True of the first bytes of an archive that is read here; a tar archive has its mark at byte 257.
  public static func isArchive(_ start: Data) -> Bool {
    ArchiveReader.isArchive(start)
      || start.count >= 262 && start.dropFirst(257).starts(with: Array("ustar".utf8))
  }

  public func next() throws -> ForeignImageTokens? {
    while let member = try reader.next() {
      guard let folder = Self.folder(of: member), let label = classes.number(of: folder) else { continue }
      let place = "\(file.name): \(member)"
      let bytes = try [UInt8](reader.content())
      return try ForeignImageTokens(
        ForeignWeights(bytes, file: place).integerArray(of: place), label: label, place: place)
    }
    return nil
  }

  /// A tar archive ends in two blocks of zeros. libarchive takes one that was cut between two members for a whole one.
  private static func requireEnd(of file: MappedFile) throws {
    guard !ArchiveReader.isArchive(file.bytes.prefix(4)) else { return }
    let end = file.bytes.suffix(1024)
    guard end.count == 1024, end.allSatisfy({ $0 == 0 }) else {
      throw ForeignFileError(
        defect: .truncated, file: file.name, offset: file.bytes.count,
        expected: "two blocks of zeros, tar's end mark",
        found: "the end of the file", hint: "copy the archive again")
    }
  }

  private static func open(_ file: MappedFile) throws -> ArchiveReader {
    try ArchiveReader(file, format: ArchiveReader.isArchive(file.bytes.prefix(4)) ? .zip : .tar)
  }

  /// The folder that a member is in, which is its class; nil of what is no `.npy` file in a folder.
  private static func folder(of member: String) -> String? {
    let words = member.split(separator: "/").filter { $0 != "." }
    guard words.count >= 2, let file = words.last, file.hasSuffix(".npy"), !file.hasPrefix(".") else {
      return nil
    }
    return String(words[words.count - 2])
  }
}
