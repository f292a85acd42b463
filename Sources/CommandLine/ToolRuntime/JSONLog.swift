import FoundationEssentials
import Glibc
import StreamFormat

/// A file with one JSON object per line. Each line is written to the file at once.
public final class JSONLog {
  public let path: String
  private let descriptor: Int32
  private let sink: FileDescriptorSink

  /// - Parameter appending: keep the lines of an existing file, for a resumed run.
  /// - Throws: ``StreamError/cannotCreate(file:errno:)``.
  public init(path: String, appending: Bool = false) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (appending ? 0 : O_TRUNC), 0o666)
    let code = errno
    sink = FileDescriptorSink(descriptor: descriptor, name: path)
    guard descriptor >= 0 else { throw StreamError.cannotCreate(file: path, errno: code) }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  /// Empties the log.
  /// - Throws: ``StreamError/writeFailed(file:errno:)``.
  public func empty() throws {
    // A device or a pipe cannot be emptied, and needs no emptying.
    if ftruncate(descriptor, 0) != 0, errno != EINVAL {
      throw StreamError.writeFailed(file: path, errno: errno)
    }
  }

  /// Writes one line, with sorted keys.
  /// - Throws: ``StreamError/writeFailed(file:errno:)``.
  public func write(_ fields: [String: JSONValue]) throws {
    try sink.write(text: sortedJSON(fields) + "\n")
  }
}

extension ByteSink {
  public func write(text: String) throws {
    var text = text
    try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
  }
}
