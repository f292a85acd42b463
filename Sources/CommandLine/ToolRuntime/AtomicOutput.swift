import FoundationEssentials
import Glibc
import StreamFormat

/// A file that appears whole or not at all: written beside its target, synced, and renamed on ``commit()``.
///
/// A symbolic link stays and its target is replaced. A device or a pipe is written directly. Without a commit,
/// as after an error, the temporary file goes and the target stays as it was. An output of a ``ToolSession`` takes
/// its place together with the session's others.
public final class AtomicOutput: ByteSink {
  /// The name error messages give to it.
  public let name: String
  private let descriptor: Int32
  private let sink: FileDescriptorSink
  private let partial: PartialFile?
  private let group: OutputGroup?
  private var isOpen = true

  /// Starts a file.
  /// - Parameter force: Replace a target that is write-protected.
  /// - Throws: ``StreamError/cannotCreate(file:errno:)``, or ``ToolError`` for a write-protected target.
  public convenience init(path: String, force: Bool = false) throws {
    try self.init(path: path, force: force, temporaries: nil)
  }

  /// - Parameter group: takes the file into its target's place later, together with others; without one, the commit
  ///   does.
  convenience init(path: String, force: Bool, temporaries: TemporaryFiles?, group: OutputGroup? = nil) throws
  {
    let target = try followingLinks(path)
    var status = stat()
    let exists = stat(target, &status) == 0
    if exists, status.st_mode & S_IFMT != S_IFREG {
      let descriptor = open(target, O_WRONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw StreamError.cannotCreate(file: path, errno: errno) }
      self.init(path, descriptor, nil, nil)
    } else {
      if exists { try requireWritable(status, path, force) }
      let (partial, descriptor) = try PartialFile.file(for: target, name: path, temporaries)
      if exists { fchmod(descriptor, status.st_mode & 0o7777) }
      self.init(path, descriptor, partial, group)
    }
  }

  /// A file in a folder that is not in its place yet; it must be new.
  init(newFile path: String) throws {
    name = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw StreamError.cannotCreate(file: path, errno: errno) }
    sink = FileDescriptorSink(descriptor: descriptor, name: path)
    (partial, group) = (nil, nil)
  }

  private init(_ name: String, _ descriptor: Int32, _ partial: PartialFile?, _ group: OutputGroup?) {
    (self.name, self.descriptor, self.partial, self.group) = (name, descriptor, partial, group)
    sink = FileDescriptorSink(descriptor: descriptor, name: name == "-" ? "standard output" : name)
  }

  /// Standard output; nothing of it can be taken back.
  static func standardOutput() -> AtomicOutput {
    AtomicOutput("-", STDOUT_FILENO, nil, nil)
  }

  deinit {
    discard()
  }

  /// Writes all bytes of the buffer.
  public func write(_ buffer: UnsafeRawBufferPointer) throws {
    precondition(isOpen, "\(name): written after its end")
    try sink.write(buffer)
  }

  /// Syncs the file, closes it and puts it in its target's place, or has its group do so.
  /// - Throws: ``StreamError/writeFailed(file:errno:)``; the target is then as it was.
  public func commit() throws {
    precondition(isOpen, "\(name): committed after its end")
    isOpen = false
    // Standard output stays open: the tool's last act is to close it and look whether that worked.
    if descriptor == STDOUT_FILENO { return }
    // EINVAL: a pipe or a device, which cannot be synced.
    let synced = fsync(descriptor) == 0 || errno == EINVAL
    let syncError = errno
    let closed = close(descriptor) == 0
    let closeError = errno
    guard synced && closed else {
      partial?.remove()
      throw StreamError.writeFailed(file: name, errno: synced ? closeError : syncError)
    }
    guard let partial else { return }
    guard let group else { return try partial.moveIntoPlace(name: name) }
    group.add(partial, name: name)
  }

  /// Another descriptor of the file, which is the caller's to close.
  func duplicatedDescriptor() -> Int32 { fcntl(descriptor, F_DUPFD_CLOEXEC, 3) }

  /// Gives the file up; the target is as it was.
  public func discard() {
    guard isOpen else { return }
    isOpen = false
    if descriptor != STDOUT_FILENO { close(descriptor) }
    partial?.remove()
  }
}

/// Outputs that take their targets' places together, so that when one of them fails the others replace nothing.
final class OutputGroup {
  private var waiting: [(partial: PartialFile, name: String)] = []

  /// Adds an output that is written to its end and closed.
  func add(_ partial: PartialFile, name: String) { waiting.append((partial, name)) }

  /// Puts all of them in place.
  /// - Throws: ``StreamError/writeFailed(file:errno:)``.
  func moveIntoPlace() throws {
    let ready = waiting
    waiting = []
    for (partial, name) in ready { try partial.moveIntoPlace(name: name) }
  }
}

private func requireWritable(_ status: stat, _ path: String, _ force: Bool) throws {
  if status.st_mode & 0o222 != 0 || force { return }
  throw ToolError(
    .cannotCreate, path,
    expected: "a writable file",
    found: "a write-protected one",
    try: "--force, or another name")
}
