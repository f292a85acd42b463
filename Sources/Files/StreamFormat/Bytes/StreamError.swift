import FoundationEssentials
import Glibc

/// A failure of the operating system while a file is opened, read or written.
public enum StreamError: Error, Equatable, CustomStringConvertible, Sendable {
  /// There is no such file.
  case notFound(file: String)
  /// A folder stands where a file is needed.
  case isDirectory(file: String)
  /// The file is there and cannot be opened for reading.
  case cannotOpen(file: String, errno: Int32)
  /// The file cannot be created.
  case cannotCreate(file: String, errno: Int32)
  /// A read failed.
  case readFailed(file: String, errno: Int32)
  /// A write, sync, close or rename failed; a full disk is ENOSPC.
  case writeFailed(file: String, errno: Int32)
  /// The reader at the other end of a pipe has gone.
  case closedPipe(file: String)

  /// One line: the file, what failed, and why.
  public var description: String {
    switch self {
    case .notFound(let file): "\(file): no such file; try: check the name and the current folder"
    case .isDirectory(let file): "\(file): expected a file; found a folder; try: name a file in it"
    case .cannotOpen(let file, let code): "\(file): cannot open for reading: \(Self.reason(code))"
    case .cannotCreate(let file, let code): "\(file): cannot create: \(Self.reason(code))"
    case .readFailed(let file, let code): "\(file): reading failed: \(Self.reason(code))"
    case .writeFailed(let file, let code): "\(file): writing failed: \(Self.reason(code))"
    case .closedPipe(let file): "\(file): the reader closed the pipe"
    }
  }

  private static func reason(_ code: Int32) -> String {
    String(cString: strerror(code))
  }
}
