import FoundationEssentials
import Glibc
import ArgumentParser
import Communication
import StreamFormat

/// The exit status of a tool; the numbers are those of sysexits.h, and 128 plus a signal's.
public struct ToolExit: RawRepresentable, Equatable, Sendable {
  /// The number the process ends with.
  public let rawValue: Int32

  public init(rawValue: Int32) {
    self.rawValue = rawValue
  }

  /// Done.
  public static let done = ToolExit(rawValue: 0)
  /// Failed, for none of the reasons below.
  public static let failed = ToolExit(rawValue: 1)
  /// Unknown, clashing or out-of-range options.
  public static let usage = ToolExit(rawValue: 64)
  /// An input's content is bad.
  public static let badData = ToolExit(rawValue: 65)
  /// An input is missing or cannot be opened.
  public static let noInput = ToolExit(rawValue: 66)
  /// An output cannot be created.
  public static let cannotCreate = ToolExit(rawValue: 73)
  /// Reading or writing failed, as on a full disk.
  public static let ioError = ToolExit(rawValue: 74)
  /// The terminal or the connection has gone (SIGHUP), after saving what there is to save.
  public static let hungUp = ToolExit(rawValue: 129)
  /// Interrupted by SIGINT, after saving what there is to save.
  public static let interrupted = ToolExit(rawValue: 130)
  /// The reader of standard output has gone.
  public static let closedPipe = ToolExit(rawValue: 141)
  /// Ended by SIGTERM, after saving what there is to save.
  public static let terminated = ToolExit(rawValue: 143)
}

extension ToolExit {
  /// The signal that ends the process with this status, so that shells and Make see what has happened.
  var signal: Int32? {
    switch self {
    case .hungUp, .interrupted, .terminated: rawValue - 128
    default: nil
    }
  }
}

/// An error that knows with which status the tool should end.
///
/// A library defines no statuses for its errors. An extension beside the tools conforms its error type to
/// this protocol.
public protocol ExitCoded: Error {
  /// The status to end with.
  var exitCode: ToolExit { get }
}

/// A failure with a message of the tool itself.
public struct ToolError: ExitCoded, Equatable, CustomStringConvertible {
  /// The status to end with.
  public let exitCode: ToolExit
  public let description: String

  /// A failure, in words that complete `PLACE: expected ...; found ...; try: ...`.
  /// - Parameter place: the file or option, and the place in it; empty where there is none.
  public init(
    _ exitCode: ToolExit, _ place: String, expected: String, found: String, try hint: String
  ) {
    self.exitCode = exitCode
    let words = "expected \(expected); found \(found); try: \(hint)"
    description = place.isEmpty ? words : "\(place): \(words)"
  }

  /// An error of a library, with the place at which it was met.
  public init(_ error: any Error & ExitCoded, at place: String) {
    (exitCode, description) = (error.exitCode, "\(place): \(error)")
  }
}

extension FormatError: ExitCoded {
  public var exitCode: ToolExit { .badData }
}

extension RankError: ExitCoded {
  public var exitCode: ToolExit { .usage }
}

extension LineReader.TooLong: ExitCoded {
  public var exitCode: ToolExit { .badData }
}

extension StreamError: ExitCoded {
  /// Depends on what failed: opening, creating, reading and writing, or the pipe.
  public var exitCode: ToolExit {
    switch self {
    // There is something, and it is no file that can be read: a loop of links, a socket.
    case .cannotOpen(_, ELOOP), .cannotOpen(_, ENXIO), .cannotOpen(_, ENODEV): .badData
    case .notFound, .isDirectory, .cannotOpen: .noInput
    case .cannotCreate: .cannotCreate
    case .readFailed, .writeFailed: .ioError
    case .closedPipe: .closedPipe
    }
  }
}

extension ToolExit {
  /// The status for any error.
  public init(for error: Error) {
    switch error {
    case let error as ExitCoded: self = error.exitCode
    case is ValidationError: self = .usage
    case let code as ExitCode: self.init(rawValue: code.rawValue)
    default: self = .failed
    }
  }
}
