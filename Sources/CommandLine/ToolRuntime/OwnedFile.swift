import FoundationEssentials
import Glibc
import StreamFormat

/// A file that a run writes many times and removes in the end, such as a checkpoint: it is replaced and removed only
/// where it is what this run has written, or what it goes on from.
public final class OwnedFile {
  /// The path as the user gave it.
  public let path: String
  private let session: ToolSession
  /// Keeps the file that is this run's open, so that no other file can get its number.
  private var own: Int32 = -1

  /// - Throws: ``ToolError`` for a path that has another purpose in this run or cannot serve this one.
  public init(path: String, session: ToolSession) throws {
    (self.path, self.session) = (path, session)
    try session.claim(ClaimedFile(name: "", path: path, role: .checkpoint))
  }

  deinit {
    if own >= 0 { close(own) }
  }

  /// True if there is a file of an earlier run.
  public var exists: Bool { FileIdentity.of(path: path).kind != .new }

  /// Makes the file that is there this run's own, which goes on from it.
  /// - Throws: ``StreamError``.
  public func open() throws -> FileSource {
    let source = try FileSource(path: path)
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw StreamError.cannotOpen(file: path, errno: errno) }
    keep(descriptor)
    return source
  }

  /// Stops if there is a file that is not this run's own, or none can be created.
  /// - Throws: ``ToolError``, ``StreamError``.
  public func requireReplaceable() throws {
    guard session.communicator.isFirst else { return }
    try requireOwn()
    try session.createFile(path).discard()
  }

  /// Writes the file anew.
  /// - Throws: ``ToolError``, ``StreamError``; the file is then as it was.
  public func replace(_ write: (AtomicOutput) throws -> Void) throws {
    guard session.communicator.isFirst else { return }
    try requireOwn()
    let output = try session.createFile(path)
    try write(output)
    let written = output.duplicatedDescriptor()
    guard written >= 0 else {
      let code = errno
      output.discard()
      throw StreamError.cannotCreate(file: path, errno: code)
    }
    do {
      try output.commit()
    } catch {
      close(written)
      throw error
    }
    keep(written)
  }

  /// Removes the file if it is this run's own. A link to it stays.
  public func remove() {
    guard session.communicator.isFirst, isOwn, let target = try? followingLinks(path) else { return }
    unlink(target)
  }

  private var isOwn: Bool {
    guard own >= 0, let file = FileIdentity.of(descriptor: own) else { return false }
    return file.identity == FileIdentity.of(path: path).identity
  }

  private func requireOwn() throws {
    if !exists || isOwn { return }
    throw ToolError(
      .cannotCreate, path,
      expected: "no file, or the checkpoint that this run goes on from",
      found: "another file",
      try: "--resume, another --checkpoint, or remove it")
  }

  private func keep(_ descriptor: Int32) {
    if own >= 0 { close(own) }
    own = descriptor
  }
}
