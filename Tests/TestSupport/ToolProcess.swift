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
  /// - Throws: ``TimedOut``, and Foundation's errors where it cannot be started.
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
    let names = ["input", "output", "errors"].map { scratch.url.appending(path: $0) }
    try Data(input).write(to: names[0])
    for name in names[1...] { try Data().write(to: name) }
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, own in own }
    process.currentDirectoryURL = folder ?? scratch.url
    process.standardInput = try FileHandle(forReadingFrom: names[0])
    process.standardOutput = try FileHandle(forWritingTo: names[1])
    process.standardError = try FileHandle(forWritingTo: names[2])
    try wait(for: process, timeout, command: [program.path] + arguments)
    let signalled = process.terminationReason == .uncaughtSignal
    return Result(
      output: [UInt8](try Data(contentsOf: names[1])),
      errors: String(decoding: try Data(contentsOf: names[2]), as: UTF8.self),
      status: process.terminationStatus + (signalled ? 128 : 0))
  }

  private static func wait(for process: Process, _ timeout: Double, command: [String]) throws {
    let ended = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in ended.signal() }
    try process.run()
    if ended.wait(timeout: .now() + timeout) == .timedOut {
      kill(process.processIdentifier, SIGKILL)
      ended.wait()
      throw TimedOut(command: command)
    }
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
