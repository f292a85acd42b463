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

  /// Reads the whole archive once. Hidden files and folders are passed over.
  /// - Parameter isWanted: whether a file of this path is to be read.
  /// - Throws: ``ForeignFileError`` for damage, and for two files of one path; `StreamError`.
  public init(_ archive: MappedFile, where isWanted: ([String]) -> Bool) throws {
    let reader = try ArchiveReader.open(archive)
    var unpacked: TemporaryBytes?
    var found: [(path: [String], bytes: Data?, place: Range<Int>)] = []
    var others: [[String]] = []
    // The place of each path among those that were found; nil of the others.
    var known: [[String]: Int?] = [:]
    while let member = try reader.next() {
      let path = try reader.path()
      if path.isEmpty || path.contains(where: { $0.hasPrefix(".") }) { continue }
      guard known[path] == nil else { throw duplicate(member, in: archive.name) }
      guard isWanted(path) else {
        others.append(path)
        known[path] = .some(nil)
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
    let copies = try unpacked?.mapped() ?? Data()
    self.others = others
    files = found.map { file in
      File(path: file.path, bytes: file.bytes ?? copies[file.place.lowerBound..<file.place.upperBound])
    }
  }
}
