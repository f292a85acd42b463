import Foundation

/// How a process ended.
public enum ProcessEnd: Equatable, Sendable {
  case exit(Int32)
  case signal(Int32)
  case timeout
}

/// A process with bounds on its memory, in a group of its own, whose output goes to a file.
final class ChildProcess {
  private let process: pid_t
  private var end: ProcessEnd?

  struct CannotStart: Error {
    let command: [String]
    let errno: Int32
  }

  /// Starts a program.
  /// - Parameters:
  ///   - kilobytes: the most address space that it may have; nil for no bound.
  ///   - output: the file of its standard output and error.
  init(
    _ command: [String], kilobytes: Int? = nil, in folder: URL, output: String, input: String = "/dev/null"
  ) throws {
    var actions = posix_spawn_file_actions_t()
    var attributes = posix_spawnattr_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    let bound = kilobytes.map { "ulimit -v \($0); " } ?? ""
    let words = ["/bin/bash", "-c", "ulimit -c 0; \(bound)cd \"$0\" && exec \"$@\"", folder.path] + command
    var arguments = words.map { strdup($0) } + [nil]
    defer { for word in arguments { free(word) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, words[0], &actions, &attributes, &arguments, environ)
    guard code == 0 else { throw CannotStart(command: command, errno: code) }
    self.process = process
  }

  /// The end, if there is one yet.
  func poll() -> ProcessEnd? {
    if end != nil { return end }
    var status: Int32 = 0
    guard waitpid(process, &status, WNOHANG) == process else { return nil }
    end = status & 0x7F == 0 ? .exit(status >> 8 & 0xFF) : .signal(status & 0x7F)
    return end
  }

  /// Waits for the end, and kills the process if that takes too long.
  func wait(seconds: Double) -> ProcessEnd {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
      if let end = poll() { return end }
      usleep(1000)
    }
    kill()
    return .timeout
  }

  func kill() {
    guard end == nil else { return }
    Foundation.kill(-process, SIGKILL)
    var status: Int32 = 0
    waitpid(process, &status, 0)
    end = .timeout
  }

  deinit { kill() }
}

/// What a dead process has said, and where it died: its own words, and the first frames of Swift's report.
func crashReport(_ text: String) -> String {
  let lines = text.split(separator: "\n")
  let frames = lines.filter { $0.contains(" in ") && $0.contains(" at ") }.prefix(6)
  return (lines.prefix(4) + frames).joined(separator: "\n")
}
