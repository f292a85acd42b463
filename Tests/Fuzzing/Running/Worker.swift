import Foundation

/// Reads mutated files one after the other in this process, which may die of one.
public struct Worker {
  let kind: FuzzKind
  let seed: UInt64
  let numbers: Range<Int>
  let seeds: SeedFiles
  let findings: FindingFolder
  let progress: SharedProgress

  public init(
    kind: FuzzKind, seed: UInt64, numbers: Range<Int>, seeds: SeedFiles, findings: FindingFolder,
    progress path: String
  ) throws {
    (self.kind, self.seed, self.numbers, self.seeds, self.findings) = (kind, seed, numbers, seeds, findings)
    progress = try SharedProgress(path: path)
  }

  /// Reads them all.
  /// - Parameter megabytes: how much memory a file may take beside what the process has at the start.
  public func run(megabytes: Int) throws {
    let check = InputCheck()
    let files = seeds[kind]
    // Libraries take their threads and buffers with the first file.
    _ = check.outcome(of: files[0], as: kind)
    try bound(megabytes: megabytes)
    for number in numbers {
      progress.current = number
      let input = kind.input(seed: seed, number: number, of: files)
      switch check.outcome(of: input, as: kind) {
      case .read: progress.readCount += 1
      case .refused: progress.refusedCount += 1
      case .wrong(let fault):
        try findings.add(Finding(kind: kind, seed: seed, number: number, fault: fault), input: input)
      }
    }
    progress.current = numbers.upperBound
  }

  private func bound(megabytes: Int) throws {
    let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ").first
      .flatMap { Int($0) }
    let bytes = rlim_t((pages ?? 0) * sysconf(Int32(_SC_PAGESIZE)) + megabytes << 20)
    var limit = rlimit(rlim_cur: bytes, rlim_max: bytes)
    setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
  }
}
