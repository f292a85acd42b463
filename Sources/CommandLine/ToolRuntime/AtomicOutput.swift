import Foundation
import StreamFormat

/// A file that appears whole or not at all: written beside its target, synced, and renamed on ``commit()``.
///
/// A symbolic link stays and its target is replaced. A device or a pipe is written directly. Without a commit,
/// as after an error, the temporary file goes and the target stays as it was.
public final class AtomicOutput: ByteSink {
  /// The name error messages give to it.
  public let name: String
  private let descriptor: Int32
  private let sink: FileDescriptorSink
  private let rename: Rename?
  private let temporaries: TemporaryFiles?
  private var isOpen = true

  private struct Rename {
    let temporary: String
    let target: String
  }

  /// Starts a file.
  /// - Parameter force: Replace a target that is write-protected.
  /// - Throws: ``StreamError/cannotCreate(file:errno:)``, or ``ToolError`` for a write-protected target.
  public convenience init(path: String, force: Bool = false) throws {
    try self.init(path: path, force: force, temporaries: nil)
  }

  init(path: String, force: Bool, temporaries: TemporaryFiles?) throws {
    let target = try followLinks(path)
    var status = stat()
    let exists = stat(target, &status) == 0
    name = path
    self.temporaries = temporaries
    if exists, status.st_mode & S_IFMT != S_IFREG {
      rename = nil
      descriptor = open(target, O_WRONLY | O_CLOEXEC)
    } else {
      if exists { try requireWritable(status, path, force) }
      let temporary = "\(target).partial-\(getpid())"
      unlink(temporary)
      rename = Rename(temporary: temporary, target: target)
      descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    }
    let code = errno
    sink = FileDescriptorSink(descriptor: descriptor, name: path)
    guard descriptor >= 0 else { throw StreamError.cannotCreate(file: path, errno: code) }
    if let rename { temporaries?.insert(rename.temporary) }
    if exists, rename != nil { fchmod(descriptor, status.st_mode & 0o7777) }
  }

  private init(standardOutput descriptor: Int32) {
    name = "-"
    self.descriptor = descriptor
    sink = FileDescriptorSink(descriptor: descriptor, name: "standard output")
    rename = nil
    temporaries = nil
  }

  /// Standard output; nothing of it can be taken back.
  static func standardOutput() -> AtomicOutput {
    AtomicOutput(standardOutput: STDOUT_FILENO)
  }

  deinit {
    discard()
  }

  /// Writes all bytes of the buffer.
  public func write(_ buffer: UnsafeRawBufferPointer) throws {
    precondition(isOpen, "\(name): written after its end")
    try sink.write(buffer)
  }

  /// Syncs the file, closes it and puts it in its target's place.
  /// - Throws: ``StreamError/writeFailed(file:errno:)``; the target is then as it was.
  public func commit() throws {
    precondition(isOpen, "\(name): committed after its end")
    isOpen = false
    // Standard output stays open: the tool's last act is to close it and look whether that worked.
    if descriptor == STDOUT_FILENO { return }
    let synced = rename == nil || fsync(descriptor) == 0
    let syncError = errno
    let closed = close(descriptor) == 0
    let closeError = errno
    guard synced && closed else {
      removeTemporary()
      throw StreamError.writeFailed(file: name, errno: synced ? closeError : syncError)
    }
    guard let rename else { return }
    guard Foundation.rename(rename.temporary, rename.target) == 0 else {
      let code = errno
      removeTemporary()
      throw StreamError.writeFailed(file: name, errno: code)
    }
    temporaries?.remove(rename.temporary)
    syncFolder(of: rename.target)
  }

  /// Gives the file up; the target is as it was.
  public func discard() {
    guard isOpen else { return }
    isOpen = false
    if descriptor >= 0, descriptor != STDOUT_FILENO { close(descriptor) }
    removeTemporary()
  }

  private func removeTemporary() {
    guard let rename else { return }
    unlink(rename.temporary)
    temporaries?.remove(rename.temporary)
  }
}

/// The path that a chain of symbolic links leads to, whether or not there is a file.
private func followLinks(_ path: String) throws -> String {
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

private func requireWritable(_ status: stat, _ path: String, _ force: Bool) throws {
  if status.st_mode & 0o222 != 0 || force { return }
  throw ToolError(
    .cannotCreate,
    "\(path): expected a writable file; found a write-protected one; try: --force, or another name")
}

/// Makes a rename last through a power failure. Not every file system can; the file itself is synced already.
private func syncFolder(of path: String) {
  let descriptor = open(parentFolder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { return }
  fsync(descriptor)
  close(descriptor)
}

/// The folder that a path's last component is in. Foundation's `deletingLastPathComponent` crashes on a name of
/// one letter.
func parentFolder(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}
