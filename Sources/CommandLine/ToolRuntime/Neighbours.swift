import Communication
import FoundationEssentials
import Glibc

/// How many ranks of a run share this rank's machine, and its processors. This rank is counted in.
struct Neighbours {
  /// Ranks on the same machine.
  let onMachine: Int
  /// Ranks on the same machine that the launcher lets run on the same processors: all of them, or one where each is bound to
  /// processors of its own.
  let onProcessors: Int

  /// All ranks tell each other where they run.
  init(_ communicator: any Communicator) {
    guard communicator.count > 1 else {
      (onMachine, onProcessors) = (1, 1)
      return
    }
    let machine = machineName()
    let machines = communicator.gather(Array(machine.utf8))
    let processors = communicator.gather(Array("\(machine) \(ThreadCount.allowedProcessors())".utf8))
    (onMachine, onProcessors) = (
      machines.count { $0 == machines[communicator.rank] },
      processors.count { $0 == processors[communicator.rank] }
    )
  }
}

private func machineName() -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) {
    gethostname($0.baseAddress!, $0.count - 1)
    $0[$0.count - 1] = 0
    return String(cString: $0.baseAddress!)
  }
}

extension ToolSession {
  /// Stops where several ranks would share a standard stream, which the launcher gives to one of them, or to all.
  /// - Throws: `RankError`.
  func requireNoStandardStream(among files: [ClaimedFile]) throws {
    guard communicator.count > 1, let file = files.first(where: { $0.path == "-" }) else { return }
    throw RankError.standardStream(option: file.name, ranks: communicator.count)
  }
}
