import Foundation
import StreamFormat

/// A file of one JSON object a line, each line in the file before the next step begins.
public final class JSONLog {
  /// The file's path.
  public let path: String
  private let descriptor: Int32
  private let sink: FileDescriptorSink

  /// Opens a log.
  /// - Parameter appending: Go on with an existing file, as a resumed run does, and do not empty it.
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

  /// Starts the log anew.
  /// - Throws: ``StreamError/writeFailed(file:errno:)``.
  public func empty() throws {
    // A device or a pipe cannot be emptied and holds nothing to empty.
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
  /// Writes text as UTF-8.
  public func write(text: String) throws {
    var text = text
    try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
  }
}
