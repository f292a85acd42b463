import FoundationEssentials
import Glibc

/// A file, pipe or standard stream as a source, through POSIX reads.
public final class FileSource: ByteSource {
  /// The name error messages give to it.
  public let name: String
  let descriptor: Int32
  private let ownsDescriptor: Bool

  /// Opens a file for reading.
  /// - Throws: ``StreamError`` when it is missing, is a folder, or cannot be opened.
  public init(path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      let code = errno
      throw code == ENOENT || code == ENOTDIR
        ? StreamError.notFound(file: path) : StreamError.cannotOpen(file: path, errno: code)
    }
    var status = stat()
    if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      close(descriptor)
      throw StreamError.isDirectory(file: path)
    }
    self.name = path
    self.descriptor = descriptor
    self.ownsDescriptor = true
  }

  /// Reads from a descriptor that stays the caller's to close.
  public init(descriptor: Int32, name: String) {
    self.name = name
    self.descriptor = descriptor
    self.ownsDescriptor = false
  }

  deinit {
    if ownsDescriptor { close(descriptor) }
  }

  /// Reads at least one byte, unless the end is reached; returns how many.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    while true {
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      if count >= 0 { return count }
      let code = errno
      if code == EISDIR { throw StreamError.isDirectory(file: name) }
      if code != EINTR { throw StreamError.readFailed(file: name, errno: code) }
    }
  }
}

/// A descriptor as a sink, through POSIX writes; it stays the caller's to close.
public final class FileDescriptorSink: ByteSink {
  /// The name error messages give to it.
  public let name: String
  private let descriptor: Int32

  /// Writes to an open descriptor. SIGPIPE must be ignored for a closed pipe to arrive as an error.
  public init(descriptor: Int32, name: String) {
    self.descriptor = descriptor
    self.name = name
  }

  /// Writes all bytes of the buffer.
  public func write(_ buffer: UnsafeRawBufferPointer) throws {
    var rest = buffer[...]
    while !rest.isEmpty {
      let slice = UnsafeRawBufferPointer(rebasing: rest)
      let count = Glibc.write(descriptor, slice.baseAddress, slice.count)
      if count >= 0 {
        rest = rest.dropFirst(count)
        continue
      }
      let code = errno
      if code == EPIPE { throw StreamError.closedPipe(file: name) }
      if code != EINTR { throw StreamError.writeFailed(file: name, errno: code) }
    }
  }
}
