import FoundationEssentials
import Glibc

/// How many threads the machine grants this process.
public enum ThreadCount {
  /// What `--threads` may be. More threads than this have no machine to run on; each costs memory, and starting
  /// thousands takes minutes.
  public static let accepted = 1...1024

  /// Stops if the system does not grant so many threads at once. They are started and end at once.
  /// - Throws: ``ToolError``.
  static func requireStartable(_ count: Int) throws {
    let started = startable(count)
    guard started < count else { return }
    throw ToolError(
      .failed, "--threads \(count)",
      expected: "as many threads",
      found: "that the system starts \(started) (memory, or a limit of processes)",
      try: "--threads \(max(1, min(started / 2, available())))")
  }

  /// How many threads start while the others wait, at most `count`, the caller counted in.
  private static func startable(_ count: Int) -> Int {
    let gate = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    pthread_mutex_init(gate, nil)
    pthread_mutex_lock(gate)
    var threads: [pthread_t] = []
    while threads.count < count - 1 {
      var thread = pthread_t()
      let status = pthread_create(
        &thread, nil,
        { gate in
          let gate = gate!.assumingMemoryBound(to: pthread_mutex_t.self)
          pthread_mutex_lock(gate)
          pthread_mutex_unlock(gate)
          return nil
        }, gate)
      if status != 0 { break }
      threads.append(thread)
    }
    pthread_mutex_unlock(gate)
    for thread in threads { pthread_join(thread, nil) }
    pthread_mutex_destroy(gate)
    gate.deallocate()
    return threads.count + 1
  }

  /// The smaller of the CPU affinity and the CPU quotas of all cgroups the process is in, at least 1.
  /// - Parameter root: Where `/proc` and `/sys` are found.
  public static func available(root: String = "") -> Int {
    let granted = ControlGroups.folders("cpu", root: root).compactMap(quota)
    let limits = granted + [affinity(root: root)].compactMap { $0 }
    return max(1, limits.min() ?? ProcessInfo.processInfo.activeProcessorCount)
  }

  /// The number of CPUs in `Cpus_allowed`, a mask of hexadecimal digits with commas between.
  private static func affinity(root: String) -> Int? {
    let count = allowedProcessors(root: root).compactMap(\.hexDigitValue).reduce(0) {
      $0 + $1.nonzeroBitCount
    }
    return count > 0 ? count : nil
  }

  /// The mask itself; empty where the system does not tell.
  static func allowedProcessors(root: String = "") -> Substring {
    let lines = (read("\(root)/proc/self/status") ?? "").split(separator: "\n")
    return lines.first { $0.hasPrefix("Cpus_allowed:") }?.dropFirst(13) ?? ""
  }

  /// The processors that a cgroup grants; nil for all.
  private static func quota(_ folder: ControlGroups.Folder) -> Int? {
    if folder.version == 1 {
      guard let quota = folder.number("cpu.cfs_quota_us"), let period = folder.number("cpu.cfs_period_us")
      else { return nil }
      return cpus(quota, period)
    }
    let fields = (folder.read("cpu.max") ?? "").split(whereSeparator: \.isWhitespace).map { Double($0) }
    guard fields.count == 2, let quota = fields[0], let period = fields[1] else { return nil }
    return cpus(quota, period)
  }

  private static func cpus(_ quota: Double, _ period: Double) -> Int? {
    quota > 0 && period > 0 ? max(1, Int((quota / period).rounded(.up))) : nil
  }

  private static func read(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }
}
