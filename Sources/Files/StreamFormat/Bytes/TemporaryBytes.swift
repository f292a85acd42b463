import FoundationEssentials
import Glibc

/// Bytes that are written one after the other and then read at any place: a temporary file without a name, so that they
/// take no memory that the system cannot take back.
public final class TemporaryBytes {
  private let descriptor: Int32
  private let sink: FileDescriptorSink
  /// How many there are.
  public private(set) var count = 0

  /// - Parameter name: what messages call the file that is copied or unpacked here.
  /// - Throws: ``StreamError``.
  public init(for name: String) throws {
    var path = Array((FileManager.default.temporaryDirectory.path + "/tessera.XXXXXX").utf8CString)
    descriptor = mkstemp(&path)
    guard descriptor >= 0 else { throw StreamError.cannotCreate(file: name, errno: errno) }
    unlink(path)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    sink = FileDescriptorSink(descriptor: descriptor, name: "a temporary copy of \(name)")
  }

  deinit { close(descriptor) }

  /// Adds bytes, and returns where they begin.
  /// - Throws: ``StreamError``.
  @discardableResult public func append(_ bytes: UnsafeRawBufferPointer) throws -> Int {
    try sink.write(bytes)
    defer { count += bytes.count }
    return count
  }

  /// All bytes so far, mapped; they stay after this object is gone.
  /// - Throws: ``StreamError``.
  public func mapped() throws -> Data { try mappedBytes(descriptor, count, sink.name) }
}
