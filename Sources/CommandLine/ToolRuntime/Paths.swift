import ArgumentParser
import FoundationEssentials
import Glibc
import StreamFormat

/// An input named on the command line; "-" is standard input.
public struct InputPath: FileNaming, ExpressibleByArgument, Equatable, Sendable {
  /// The path as the user gave it.
  public let path: String

  public static var defaultCompletionKind: CompletionKind { .file() }

  /// An input of a path, or nil if it is empty.
  public init?(argument: String) {
    if argument.isEmpty { return nil }
    path = argument
  }

  /// It is read.
  public var role: ClaimedFile.Role { .input }

  /// True of "-".
  public var isStandardInput: Bool { path == "-" }

  /// Opens the input for reading.
  /// - Throws: ``StreamError`` when it is missing or cannot be opened, and ``ToolError`` (usage) when it is
  ///   standard input and a terminal.
  public func open() throws -> FileSource {
    guard isStandardInput else { return try FileSource(path: path) }
    if isatty(STDIN_FILENO) == 1 {
      throw ToolError(
        .usage, "standard input",
        expected: "a file or a pipe",
        found: "a terminal",
        try: "name a file instead of '-'")
    }
    return FileSource(descriptor: STDIN_FILENO, name: "standard input")
  }

  /// Checks that no two inputs are standard input; for use in `validate()`.
  public static func requireDistinct(_ inputs: InputPath?...) throws {
    if inputs.filter({ $0?.isStandardInput == true }).count > 1 {
      throw ValidationError("'-' is given for two inputs, and there is one standard input only.")
    }
  }
}

/// An output named on the command line; "-" is standard output.
public struct OutputPath: FileNaming, ExpressibleByArgument, Equatable, Sendable {
  /// The path as the user gave it.
  public let path: String

  public static var defaultCompletionKind: CompletionKind { .file() }

  /// An output of a path, or nil if it is empty.
  public init?(argument: String) {
    if argument.isEmpty { return nil }
    path = argument
  }

  public static let standardOutput = OutputPath(argument: "-")!

  /// A product takes its place.
  public var role: ClaimedFile.Role { .output }

  /// True of "-".
  public var isStandardOutput: Bool { path == "-" }

  /// The path, as help texts show it.
  public var defaultValueDescription: String { path }
}

/// A folder named on the command line, to be created or, if it is empty, filled.
public struct OutputFolder: FileNaming, ExpressibleByArgument, Equatable, Sendable {
  /// The path as the user gave it, without slashes at its end.
  public let path: String

  public static var defaultCompletionKind: CompletionKind { .directory }

  /// A folder of a path, or nil if it is empty.
  public init?(argument: String) {
    if argument.isEmpty { return nil }
    path = withoutTrailingSlashes(argument)
  }

  /// It is created or filled.
  public var role: ClaimedFile.Role { .folder }
}

/// A checkpoint named on the command line.
public struct CheckpointPath: FileNaming, ExpressibleByArgument, Equatable, Sendable {
  /// The path as the user gave it; "-" is a name as any other.
  public let path: String

  public static var defaultCompletionKind: CompletionKind { .file() }

  /// A checkpoint of a path, or nil if it is empty.
  public init?(argument: String) {
    if argument.isEmpty { return nil }
    path = argument
  }

  /// It is written many times and removed at the end.
  public var role: ClaimedFile.Role { .checkpoint }
}

/// A log named on the command line.
public struct LogPath: FileNaming, ExpressibleByArgument, Equatable, Sendable {
  /// The path as the user gave it.
  public let path: String

  public static var defaultCompletionKind: CompletionKind { .file() }

  /// A log of a path; nil for an empty one, and for "-", since standard output is the product's or the summary's.
  public init?(argument: String) {
    if argument.isEmpty || argument == "-" { return nil }
    path = argument
  }

  /// Lines are added to it.
  public var role: ClaimedFile.Role { .log }
}
