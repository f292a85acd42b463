import Foundation

/// Runs the built tools, as a user's shell would.
public struct ToolProcess: Sendable {
  /// What a run left behind.
  public struct Result: Sendable {
    /// Bytes of standard output.
    public let output: [UInt8]
    /// Standard error, as text.
    public let errors: String
    /// The exit status; 128 plus the signal's number for a process that a signal ended.
    public let status: Int32

    /// Standard output, as text.
    public var text: String { String(decoding: output, as: UTF8.self) }
  }

  /// A run that took too long, and was killed.
  public struct TimedOut: Error {
    /// The program and its arguments.
    public let command: [String]
  }

  /// A program that could not be started.
  public struct CannotStart: Error {
    /// The program and its arguments.
    public let command: [String]
    /// The system's reason.
    public let errno: Int32
  }

  /// The folder of the built tools, which is the test bundle's.
  public static let folder: URL = {
    let bundle = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
    let here = URL(filePath: #filePath)
    let root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let candidates = [bundle, root.appending(path: ".build/release"), root.appending(path: ".build/debug")]
    return candidates.first { isExecutable($0.appending(path: "show-file")) } ?? bundle
  }()

  /// Runs a tool to its end.
  /// - Parameters:
  ///   - input: The bytes of its standard input.
  ///   - environment: Variables set beside the inherited ones.
  ///   - folder: Its current folder.
  ///   - timeout: Seconds after which it is killed.
  /// - Throws: ``TimedOut``, and ``CannotStart``.
  public static func run(
    _ tool: String, _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:],
    in folder: URL? = nil, timeout: Double = 120
  ) throws -> Result {
    let program = Self.folder.appending(path: tool)
    return try run(program, arguments, input, environment, folder, timeout)
  }

  /// Runs a line of bash, for pipelines and redirections; the tools are on its path, and `pipefail` is set.
  /// - Throws: As ``run(_:_:input:environment:in:timeout:)``.
  public static func shell(
    _ line: String, input: [UInt8] = [], environment: [String: String] = [:], in folder: URL? = nil,
    timeout: Double = 120
  ) throws -> Result {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    let environment = environment.merging(["PATH": "\(Self.folder.path):\(path)"]) { own, _ in own }
    let arguments = ["-c", "set -o pipefail; \(line)"]
    return try run(URL(filePath: "/bin/bash"), arguments, input, environment, folder, timeout)
  }

  private static func run(
    _ program: URL, _ arguments: [String], _ input: [UInt8], _ environment: [String: String], _ folder: URL?,
    _ timeout: Double
  ) throws -> Result {
    // Files and not pipes: whatever the tool reads or writes, neither side can wait for the other.
    let scratch = try TemporaryFolder()
    try Data(input).write(to: scratch.url.appending(path: "input"))
    // The C library's spawning has no portable way to change the folder; env has.
    let place = ["/usr/bin/env", "-C", (folder ?? scratch.url).path]
    let command = place + [program.path] + arguments
    let variables = ProcessInfo.processInfo.environment.merging(environment) { _, own in own }
    let process = try spawn(command, variables, scratch)
    let status = try wait(for: process, timeout, command)
    return Result(
      output: [UInt8](try Data(contentsOf: scratch.url.appending(path: "output"))),
      errors: String(decoding: try Data(contentsOf: scratch.url.appending(path: "errors")), as: UTF8.self),
      status: status)
  }

  /// Starts a process in a group of its own, with the signals as a shell would have them. Foundation's `Process`
  /// would wait for the grandchildren too.
  private static func spawn(
    _ command: [String], _ environment: [String: String], _ scratch: TemporaryFolder
  ) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, 0, scratch.path("input"), O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, scratch.path("output"), O_WRONLY | O_CREAT, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, scratch.path("errors"), O_WRONLY | O_CREAT, 0o600)
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    for number in [SIGINT, SIGTERM, SIGPIPE] { sigaddset(&signals, number) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP
    posix_spawnattr_setflags(&attributes, Int16(flags))

    var words = command.map { strdup($0) } + [nil]
    var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for word in words + variables { free(word) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, command[0], &actions, &attributes, &words, &variables)
    guard code == 0 else { throw CannotStart(command: command, errno: code) }
    return process
  }

  private static func wait(for process: pid_t, _ timeout: Double, _ command: [String]) throws -> Int32 {
    let deadline = ProcessInfo.processInfo.systemUptime + timeout
    var status: Int32 = 0
    while waitpid(process, &status, WNOHANG) == 0 {
      if ProcessInfo.processInfo.systemUptime > deadline {
        kill(-process, SIGKILL)
        waitpid(process, &status, 0)
        throw TimedOut(command: command)
      }
      usleep(2000)
    }
    let signal = status & 0x7F
    return signal == 0 ? status >> 8 & 0xFF : 128 + signal
  }

  private static func isExecutable(_ file: URL) -> Bool {
    FileManager.default.isExecutableFile(atPath: file.path)
  }
}

/// A folder for one test, removed with the last reference to it.
public final class TemporaryFolder: Sendable {
  /// Where it is.
  public let url: URL

  /// A new, empty folder.
  /// - Throws: Foundation's errors where it cannot be made.
  public init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "tessera-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(at: url)
  }

  /// The path of a file in the folder.
  public func path(_ name: String) -> String {
    url.appending(path: name).path
  }

  /// The names of all files in the folder, sorted.
  public var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []).sorted()
  }
}
