import FoundationEssentials
import Glibc
import StreamFormat

/// Which file a path means, whatever links lead to it: two paths of equal identity are one file.
///
/// A file that is not there yet is known by its folder and its name in it.
struct FileIdentity: Hashable {
  /// What stands at a path.
  enum Kind {
    case new, regular, folder, pipe, characterDevice, blockDevice
  }

  private let device: UInt64
  private let node: UInt64
  private let newName: String?

  /// The identity and kind of what stands at a path, or will.
  static func of(path: String) -> (identity: FileIdentity, kind: Kind) {
    var status = stat()
    if stat(path, &status) == 0 { return (FileIdentity(status), Kind(status)) }
    let target = (try? followingLinks(path)) ?? path
    guard stat(parentFolder(of: target), &status) == 0 else {
      // Nothing can be created here, but two equal texts still name one file.
      return (FileIdentity(device: 0, node: 0, newName: target), .new)
    }
    let name = target.split(separator: "/").last.map(String.init) ?? target
    let folder = FileIdentity(status)
    return (FileIdentity(device: folder.device, node: folder.node, newName: name), .new)
  }

  /// The identity and kind of an open file; nil if the descriptor is closed.
  static func of(descriptor: Int32) -> (identity: FileIdentity, kind: Kind)? {
    var status = stat()
    return fstat(descriptor, &status) == 0 ? (FileIdentity(status), Kind(status)) : nil
  }

  private init(_ status: stat) {
    self.init(device: UInt64(status.st_dev), node: UInt64(status.st_ino), newName: nil)
  }

  private init(device: UInt64, node: UInt64, newName: String?) {
    (self.device, self.node, self.newName) = (device, node, newName)
  }
}

extension FileIdentity.Kind {
  fileprivate init(_ status: stat) {
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .regular
    case S_IFDIR: self = .folder
    case S_IFCHR: self = .characterDevice
    case S_IFBLK: self = .blockDevice
    default: self = .pipe
    }
  }

  /// The kind in words, for messages.
  var words: String {
    switch self {
    case .new: "no file"
    case .regular: "a file"
    case .folder: "a folder"
    case .pipe: "a pipe or a socket"
    case .characterDevice, .blockDevice: "a device"
    }
  }
}

/// The path that a chain of symbolic links leads to, whether or not there is a file.
func followingLinks(_ path: String) throws -> String {
  var path = path
  for _ in 0..<40 {
    guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else { return path }
    let isAbsolute = target.hasPrefix("/")
    // A link such as /dev/fd/63 names a pipe by a text that is no path.
    if !isAbsolute, target.contains(":[") { return path }
    path = isAbsolute ? target : parentFolder(of: path) + "/" + target
  }
  throw StreamError.cannotCreate(file: path, errno: ELOOP)
}

/// The folder that a path's last component is in. Foundation's `deletingLastPathComponent` crashes on a name of
/// one letter.
public func parentFolder(of path: String) -> String {
  let path = withoutTrailingSlashes(path)
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// `pictures/` as `pictures`; the root stays "/".
func withoutTrailingSlashes(_ path: String) -> String {
  var path = path
  while path.count > 1, path.hasSuffix("/") { path.removeLast() }
  return path
}
