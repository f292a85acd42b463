import FoundationEssentials
import Glibc
import Synchronization
import TensorCore

/// SIGINT, SIGTERM and SIGHUP, as a flag that a loop can look at between two steps; and SIGBUS, by which the system tells that a
/// mapped file became shorter than what is read of it, as the end of the run.
public final class Interruption: Sendable {
  /// What the first signal does; one that comes later than ``echo`` after it always ends the process.
  public enum Response: Sendable {
    /// Remove temporary files and end at once.
    case end
    /// Raise the flag, so that the tool can save and stop.
    case raiseFlag
  }

  /// Thrown by a tool that has saved and stops.
  public struct Raised: ExitCoded, CustomStringConvertible {
    /// The signal's number.
    public let signal: Int32

    /// The error for a signal.
    public init(signal: Int32) {
      self.signal = signal
    }

    /// 128 and the signal's number.
    public var exitCode: ToolExit { ToolExit(rawValue: 128 + signal) }
    /// What happened, in a word.
    public var description: String {
      switch signal {
      case SIGINT: "interrupted"
      case SIGHUP: "hung up"
      default: "terminated"
      }
    }
  }

  /// Signals that follow the first one so closely are the same wish, told twice: `timeout` sends one to its child and one to the
  /// whole group, and Ctrl-C reaches a tool by itself and through the program that has started it.
  static let echo = Duration.milliseconds(500)

  /// The signals that are taken over.
  private static let signals = [SIGINT, SIGTERM, SIGHUP]

  private let received = Atomic<Int32>(0)
  let temporaries = TemporaryFiles()

  private let tool: String
  private let now: @Sendable () -> ContinuousClock.Instant

  /// An interruption that signals do not set before ``install(_:)``.
  /// - Parameters:
  ///   - tool: whose name a message has.
  ///   - now: the time, by which signals are told from their echoes.
  public init(
    tool: String = "tessera", now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
  ) {
    (self.tool, self.now) = (tool, now)
  }

  /// True after one of the signals.
  public var isRaised: Bool { received.load(ordering: .relaxed) != 0 }

  /// Throws ``Raised`` after one of the signals.
  public func check() throws {
    if let raised { throw raised }
  }

  /// The signal that has come, or nil.
  public var raised: Raised? {
    let signal = received.load(ordering: .relaxed)
    return signal == 0 ? nil : Raised(signal: signal)
  }

  /// Takes over the signals, and has a closed pipe and a file-size limit arrive as errors and not as signals.
  /// - Throws: ``ToolError`` where the process may open no two files more.
  public func install(_ response: Response) throws {
    for number in [SIGPIPE, SIGXFSZ] { signal(number, SIG_IGN) }
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else {
      throw ToolError(
        .failed, "", expected: "two free file descriptors, for signals",
        found: "'\(String(cString: strerror(errno)))'", try: "a larger 'ulimit -n'")
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    signalPipe.store(ends[1], ordering: .sequentiallyConsistent)
    let reader = ends[0]
    // Threads that compute, which inherit this mask, are left in peace: oneDNN's generated code moves the stack
    // pointer into its own buffers, where the frame of a signal handler would overwrite the heap.
    changeMask(SIG_BLOCK, Self.signals)
    let isStarted = startDetachedThread { [self] in
      changeMask(SIG_UNBLOCK, Self.signals)
      var number: UInt8 = 0
      var first: ContinuousClock.Instant?
      while true {
        guard read(reader, &number, 1) == 1 else { continue }
        if Int32(number) == SIGBUS { endOfCutInput() }
        let time = now()
        receive(Int32(number), response, after: first.map { time - $0 })
        first = first ?? time
      }
    }
    guard isStarted else {
      throw ToolError(
        .failed, "",
        expected: "one more thread, for signals",
        found: "that the system starts none (memory, or a limit of processes)",
        try: "a larger 'ulimit -u'")
    }
    for number in Self.signals where !isIgnored(number) { forwardToPipe(number) }
    forwardBusErrorToPipe()
  }

  /// Ends the process as an input that cannot be read does.
  private func endOfCutInput() -> Never {
    temporaries.removeAll()
    let message =
      "\(tool): an input: expected it to be as long as when it was opened; found that another program has cut it; "
      + "try: again, when nothing writes to the inputs\n"
    _ = Array(message.utf8).withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    _exit(ToolExit.ioError.rawValue)
  }

  /// - Parameter sinceFirst: the time since the first signal; nil of the first.
  private func receive(_ number: Int32, _ response: Response, after sinceFirst: Duration?) {
    if response == .end || sinceFirst.map({ $0 > Self.echo }) == true { endProcess(by: number) }
    if sinceFirst == nil { received.store(number, ordering: .relaxed) }
  }

  /// Ends the process as the signal would have, so that shells and Make see an interrupted child.
  func endProcess(by number: Int32) -> Never {
    temporaries.removeAll()
    signal(number, SIG_DFL)
    kill(getpid(), number)
    // The signal may be delivered to another thread, so this one waits.
    while true { sleep(1) }
  }
}

/// The end of the pipe to which the signal handler writes. A handler can use only globals and may do little
/// more than write. The thread at the other end may take locks and remove files.
private let signalPipe = Atomic<Int32>(-1)

/// Blocks or unblocks signals in this thread.
private func changeMask(_ how: Int32, _ numbers: [Int32]) {
  var signals = sigset_t()
  sigemptyset(&signals)
  for number in numbers { sigaddset(&signals, number) }
  pthread_sigmask(how, &signals, nil)
}

private func forwardToPipe(_ number: Int32) {
  var action = sigaction()
  action.__sigaction_handler.sa_handler = { number in
    let code = errno
    var byte = UInt8(truncatingIfNeeded: number)
    _ = write(signalPipe.load(ordering: .relaxed), &byte, 1)
    errno = code
  }
  action.sa_flags = SA_RESTART
  sigaction(number, &action, nil)
}

/// The thread that has met the error cannot go on, and waits for the end of the process.
private func forwardBusErrorToPipe() {
  var action = sigaction()
  action.__sigaction_handler.sa_handler = { number in
    var byte = UInt8(truncatingIfNeeded: number)
    _ = write(signalPipe.load(ordering: .relaxed), &byte, 1)
    while true { pause() }
  }
  sigaction(SIGBUS, &action, nil)
}

/// A program that starts a tool with a signal ignored, as nohup and a shell's '&' do, wants it to stay
/// ignored.
private func isIgnored(_ number: Int32) -> Bool {
  var action = sigaction()
  sigaction(number, nil, &action)
  return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
    == unsafeBitCast(SIG_IGN, to: Int.self)
}
