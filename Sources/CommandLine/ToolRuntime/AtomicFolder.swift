import FoundationEssentials
import Glibc
import StreamFormat

/// A folder that appears whole or not at all: filled beside its target and renamed with the session's other outputs.
public final class AtomicFolder {
  /// Its name, as the user gave it.
  public let path: String
  private let partial: PartialFile
  private let group: OutputGroup
  private var subfolders: Set<String> = []

  init(_ path: String, temporaries: TemporaryFiles, group: OutputGroup) throws {
    self.path = path
    self.group = group
    let target = try followingLinks(withoutTrailingSlashes(path))
    try Self.requireNew(target, name: path)
    try? FileManager.default.createDirectory(
      atPath: parentFolder(of: target), withIntermediateDirectories: true)
    partial = try PartialFile.folder(for: target, name: path, temporaries)
  }

  /// Writes a file of the folder; its sub-folder is made where it is not there yet.
  /// - Throws: ``StreamError``.
  public func write(_ bytes: [UInt8], subfolder: String, file: String) throws {
    let place = "\(partial.path)/\(subfolder)"
    if subfolders.insert(subfolder).inserted, mkdir(place, 0o777) != 0, errno != EEXIST {
      throw StreamError.cannotCreate(file: "\(self.path)/\(subfolder)", errno: errno)
    }
    let output = try AtomicOutput(newFile: "\(place)/\(file)")
    try bytes.withUnsafeBytes { try output.write($0) }
    try output.commit()
  }

  /// Gives the folder to the session, which puts it in its place with the other outputs.
  /// - Throws: ``ToolError`` if the place has been taken meanwhile.
  public func commit() throws {
    try Self.requireNew(partial.target, name: path)
    group.add(partial, name: path)
  }

  /// Renaming a folder replaces an empty one, and no other.
  private static func requireNew(_ path: String, name: String) throws {
    guard let old = try? FileManager.default.contentsOfDirectory(atPath: path), !old.isEmpty else { return }
    throw ToolError(
      .cannotCreate, name,
      expected: "a new or empty folder",
      found: "\(old.count) entries",
      try: "another name")
  }
}
