import FoundationEssentials
import Glibc
import StreamFormat

/// The files of a zip or tar archive that are wanted, to be read in any order: what is stored as it is lies in the archive, and
/// what is not is unpacked once, into a temporary file.
public struct ArchivedFiles {
  /// A file.
  public struct File: Sendable {
    /// Its path in the archive, without `.` among the folders.
    public var path: [String]
    /// Its bytes, mapped.
    public var bytes: Data

    /// As messages name it.
    public var name: String { path.joined(separator: "/") }
  }

  /// In the order of the archive.
  public let files: [File]
  /// The paths of all other files.
  public let others: [[String]]
  /// The paths of all folders, with and without files.
  public let folders: Set<[String]>

  /// Reads the whole archive once. Hidden files and folders are passed over.
  /// - Parameter isWanted: whether a file of this path is to be read.
  /// - Throws: ``ForeignFileError`` for damage, for two files of one path, and for a symbolic link that may stand for a folder
  ///   of files; `StreamError`.
  public init(_ archive: MappedFile, where isWanted: ([String]) -> Bool) throws {
    let reader = try ArchiveReader.open(archive)
    var unpacked: TemporaryBytes?
    var found: [(path: [String], bytes: Data?, place: Range<Int>)] = []
    var others: [[String]] = []
    // The place of each path among those that were found; nil of the others.
    var known: [[String]: Int?] = [:]
    var links: [(path: [String], target: [String], refusal: ForeignFileError)] = []
    while let member = try reader.next() {
      let path = try reader.path()
      if path.isEmpty || ArchiveReader.isHidden(path) { continue }
      guard known[path] == nil else { throw duplicate(member, in: archive.name) }
      guard isWanted(path) else {
        others.append(path)
        known[path] = .some(nil)
        if let link = reader.symbolicLink {
          let target = Self.target(of: link, at: path)
          links.append(
            (path, target, reader.unsuitable("a file or a folder", "a symbolic link to '\(link.prefix(80))'"))
          )
        }
        continue
      }
      known[path] = found.count
      if let link = reader.hardLink {
        guard case let place?? = known[ArchiveReader.components(link)], place < found.count else {
          throw reader.unsuitable("a link to an image before it", "one to '\(link.prefix(80))'")
        }
        found.append((path, found[place].bytes, found[place].place))
        continue
      }
      try reader.requireFile()
      let content = try reader.locatedContent()
      if content.isInFile {
        found.append((path, content.bytes, 0..<0))
      } else {
        let copies = try unpacked ?? TemporaryBytes(for: archive.name)
        unpacked = copies
        let start = try content.bytes.withUnsafeBytes { try copies.append($0) }
        found.append((path, nil, start..<copies.count))
      }
    }
    // A link to a file that is not wanted is none to a folder.
    let targets = Set(others).subtracting(links.map(\.path)).union(found.map(\.path))
    if let link = links.first(where: { !targets.contains($0.target) }) { throw link.refusal }
    let copies = try unpacked?.mapped() ?? Data()
    self.others = others
    folders = reader.folders
    files = found.map { file in
      File(path: file.path, bytes: file.bytes ?? copies[file.place.lowerBound..<file.place.upperBound])
    }
  }

  /// The path that a symbolic link stands for; one that leads out of the archive is none of a member.
  private static func target(of link: String, at path: [String]) -> [String] {
    var target = link.hasPrefix("/") ? [".."] : Array(path.dropLast())
    for part in ArchiveReader.components(link) {
      if part == "..", !target.isEmpty, target.last != ".." {
        target.removeLast()
      } else {
        target.append(part)
      }
    }
    return target
  }
}
