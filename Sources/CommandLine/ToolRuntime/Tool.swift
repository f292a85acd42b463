import ArgumentParser
import Communication
import FoundationEssentials
import Glibc
import StreamFormat
import TensorCore

/// A program of the suite. A conforming type marked `@main` is the whole program: it parses, validates before
/// any file is opened, calls libraries, and reports; ``main()`` does the rest.
public protocol Tool: ParsableCommand {
  static var toolName: String { get }
  /// What it does, in one line.
  static var summary: String { get }
  /// One real command line, for `--help`.
  static var usageExample: String { get }
  /// Lines for `--version`: the libraries and the instruction set in use.
  static var versionDetails: [String] { get }
  /// True of a tool that looks at ``ToolSession/interruption``, saves its state and stops.
  static var savesWhenInterrupted: Bool { get }
  /// The processes that share the run: one, unless the tool joins those that were started with it.
  static func joinRanks() throws -> any Communicator
  /// The files that no option names, such as a checkpoint beside the output.
  var unnamedFiles: [ClaimedFile] { get }
  /// The options that every tool has.
  var common: CommonOptions { get }
  /// Does the work.
  func execute(_ session: ToolSession) throws
}

extension Tool {
  /// BLAS, oneDNN and the instruction set.
  public static var versionDetails: [String] { BuildInformation.lines }
  /// False.
  public static var savesWhenInterrupted: Bool { false }
  /// This process alone.
  public static func joinRanks() throws -> any Communicator { SingleProcess() }
  /// None.
  public var unnamedFiles: [ClaimedFile] { [] }

  /// Name, summary, example and version, for the parser.
  public static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: toolName, abstract: summary, discussion: "Example:\n\(foldedForShell(usageExample))",
      version: (["\(toolName) (Tessera) \(toolVersion)"] + versionDetails).joined(separator: "\n"))
  }

  /// Runs the tool on the process's arguments and ends the process.
  public static func main() {
    openClosedStreams()
    exitProcess(run(Array(CommandLine.arguments.dropFirst())))
  }

  private static func run(_ arguments: [String]) -> ToolEnd {
    let interruption = Interruption(tool: toolName)
    let standardOutput = AtomicOutput.standardOutput()
    var communicator: any Communicator = SingleProcess()
    let tool: Self
    do {
      try interruption.install(savesWhenInterrupted ? .raiseFlag : .end)
      // After the signals are blocked: MPI starts threads, which inherit that.
      communicator = try joinRanks()
    } catch {
      return ToolEnd(error: error, tool: toolName, interruption, communicator)
    }
    do {
      guard let parsed = try parseAsRoot(arguments) as? Self else { throw CleanExit.helpRequest(self) }
      tool = parsed
    } catch {
      return endOfParsing(error, standardOutput, interruption, communicator)
    }
    do {
      try communicator.requireSame("a run")
      let session = ToolSession(
        name: toolName, arguments: arguments, options: tool.common, interruption: interruption,
        communicator: communicator)
      let files = ClaimedFile.all(in: tool) + tool.unnamedFiles
      try session.requireNoStandardStream(among: files)
      try session.claim(files)
      try session.checkThreads()
      try session.openLog()
      do {
        try tool.execute(session)
        try session.commitOutputs()
      } catch is EstimateGiven {
        // Nothing takes its place: what has been begun is removed with the process.
        session.removeEmptyLog()
      }
      try closeStandardOutput()
      return ToolEnd(exit: .done, interruption, communicator)
    } catch {
      return ToolEnd(error: error, tool: toolName, interruption, communicator)
    }
  }

  /// Help and version go to standard output; a mistake goes to standard error with the usage.
  private static func endOfParsing(
    _ error: Error, _ standardOutput: AtomicOutput, _ interruption: Interruption,
    _ communicator: any Communicator
  ) -> ToolEnd {
    let code = exitCode(for: error)
    guard code.isSuccess else {
      // It has what the user typed, line by line.
      let words = message(for: error).split(separator: "\n", omittingEmptySubsequences: false).map {
        visible(String($0))
      }
      let text =
        "\(toolName): \(communicator.place)\(words.joined(separator: "\n"))\nUsage: \(usageString())\n"
        + "See '\(toolName) --help'.\n"
      return ToolEnd(exit: .usage, message: text, interruption, communicator)
    }
    do {
      try communicator.requireSame("help or the version")
      if communicator.isFirst { try standardOutput.write(text: fullMessage(for: error) + "\n") }
      try closeStandardOutput()
      return ToolEnd(exit: .done, interruption, communicator)
    } catch {
      return ToolEnd(error: error, tool: toolName, interruption, communicator)
    }
  }
}

/// A command line in lines of at most 78 columns, each continued with a backslash, so that it can be copied from a
/// help text as it stands. The parser's own wrapping would break it.
private func foldedForShell(_ command: String) -> String {
  var lines = [" "]
  for word in command.split(separator: " ") {
    if lines[lines.count - 1].count + 1 + word.count > 76 { lines.append("   ") }
    lines[lines.count - 1] += " " + word
  }
  return lines.joined(separator: " \\\n")
}

/// How a run ended.
private struct ToolEnd {
  var exit: ToolExit
  var message = ""
  var interruption: Interruption
  var communicator: any Communicator

  init(
    exit: ToolExit, message: String = "", _ interruption: Interruption, _ communicator: any Communicator
  ) {
    (self.exit, self.message) = (exit, message)
    (self.interruption, self.communicator) = (interruption, communicator)
  }
}

extension ToolEnd {
  init(error: Error, tool: String, _ interruption: Interruption, _ communicator: any Communicator) {
    // An error after a signal is a consequence of the signal, which has also ended the other programs of the
    // pipe.
    let cause = interruption.raised ?? error
    let exit = ToolExit(for: cause)
    // Names of files and what stands in them may hold anything; errors are one line.
    let message = exit == .closedPipe ? "" : visible("\(tool): \(communicator.place)\(cause)") + "\n"
    self.init(exit: exit, message: message, interruption, communicator)
  }
}

extension Communicator {
  /// The rank, before a message; nothing for a process alone.
  fileprivate var place: String { count == 1 ? "" : "rank \(rank) of \(count): " }

  /// Stops where the ranks do different things: one that waits for another would wait for ever.
  /// - Throws: ``ToolError`` (usage).
  fileprivate func requireSame(_ what: String) throws {
    let all = gather([UInt8](what.utf8))
    guard let other = all.firstIndex(where: { $0 != all[0] }) else { return }
    throw ToolError(
      .usage, "the command line", expected: "the same on all ranks",
      found: "\(String(decoding: all[0], as: UTF8.self)) on rank 0, "
        + "\(String(decoding: all[other], as: UTF8.self)) on rank \(other)",
      try: "one command line for all ranks, as mpirun -n \(count) starts it")
  }
}

private func exitProcess(_ end: ToolEnd) -> Never {
  if end.communicator.count > 1 {
    if end.exit != .done { endAllRanks(end) }
    end.communicator.finish()
  }
  try? FileDescriptorSink(descriptor: STDERR_FILENO, name: "standard error").write(text: end.message)
  end.interruption.temporaries.removeAll()
  if let signal = end.exit.signal { end.interruption.endProcess(by: signal) }
  exit(end.exit.rawValue)
}

/// The ranks that have not failed would wait for this one for ever.
private func endAllRanks(_ end: ToolEnd) -> Never {
  end.interruption.temporaries.removeAll()
  // Most errors meet all ranks. The first one tells of them, and ends the others while they wait here.
  if !end.communicator.isFirst {
    sleep(2)
    if end.interruption.isRaised { _exit(end.exit.rawValue) }
  }
  try? FileDescriptorSink(descriptor: STDERR_FILENO, name: "standard error").write(text: end.message)
  // A launcher may lose what it has not forwarded yet when a rank aborts.
  usleep(200_000)
  end.communicator.abort(status: end.exit.rawValue)
}

/// Puts /dev/null where a standard stream was closed, so that no file gets its number and is taken for it. Reading
/// from it, or writing to it, is still an error: it is opened for the other of the two.
private func openClosedStreams() {
  for (stream, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
  where fcntl(stream, F_GETFD) == -1 {
    // The lowest free number is this one, since those below are open.
    _ = open("/dev/null", mode)
  }
}

/// A full disk may show only when the file is closed.
private func closeStandardOutput() throws {
  let flushed = fflush(nil) == 0
  let code = errno
  guard flushed else { throw StreamError.writeFailed(file: "standard output", errno: code) }
  if close(STDOUT_FILENO) != 0, errno != EBADF {
    throw StreamError.writeFailed(file: "standard output", errno: errno)
  }
}
