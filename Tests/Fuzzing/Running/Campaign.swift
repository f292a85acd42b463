import Foundation

/// How much is done for each kind.
public struct CampaignSize: Sendable {
  /// Files read in a process of their own.
  public var files: Int
  /// Seconds after which no new file is begun; nil for no bound.
  public var seconds: Double?
  /// One of so many files is given to the tools too.
  public var filesPerToolRun = 50

  public init(files: Int, seconds: Double?) { (self.files, self.seconds) = (files, seconds) }
}

/// What a campaign did with one kind.
public struct CampaignCounts: Sendable, Equatable {
  public var read = 0
  public var refused = 0
  public var toolRuns = 0
  public var findings: [Finding] = []
}

/// Mutates files of one kind, has them read by worker processes and by tools, and records what goes wrong.
public struct Campaign {
  let kind: FuzzKind
  let seed: UInt64
  let seeds: SeedFiles
  let findings: FindingFolder
  /// This program and its arguments, to which those of a worker are added.
  let worker: [String]
  /// Folder of the tools.
  let tools: URL
  /// The longest that a file may take.
  static let secondsPerFile = 10.0

  public init(
    kind: FuzzKind, seed: UInt64, seeds: SeedFiles, findings: FindingFolder, worker: [String], tools: URL
  ) {
    (self.kind, self.seed, self.seeds, self.findings, self.worker, self.tools) = (
      kind, seed, seeds, findings, worker, tools
    )
  }

  public func run(_ size: CampaignSize) throws -> CampaignCounts {
    let start = ContinuousClock.now
    var counts = CampaignCounts()
    // Half of the time is for the tools.
    try readFiles(size.files, until: size.seconds.map { start + .seconds($0 / 2) }, &counts)
    let done = counts.read + counts.refused
    let share = max(1, (size.seconds == nil ? size.files : done) / size.filesPerToolRun)
    try runTools(share, until: size.seconds.map { start + .seconds($0) }, &counts)
    return counts
  }

  // MARK: In processes of their own

  func readFiles(_ count: Int, until deadline: ContinuousClock.Instant?, _ counts: inout CampaignCounts)
    throws
  {
    let scratch = try ScratchFolder()
    let progress = try SharedProgress(path: scratch.path("progress"))
    let before = findings.count
    var first = 0
    while first < count, deadline.map({ ContinuousClock.now < $0 }) ?? true {
      let numbers = ["--first", "\(first)", "--count", "\(count - first)"]
      progress.current = first
      let child = try ChildProcess(
        worker + [kind.rawValue, "--seed", "\(seed)", "--progress", scratch.path("progress")] + numbers,
        in: scratch.url,
        output: scratch.path("output"))
      guard let end = wait(for: child, progress, until: deadline) else { break }
      if end == .exit(0) { break }
      let text = (try? String(contentsOfFile: scratch.path("output"), encoding: .utf8)) ?? ""
      try add("reader ended with \(end): \(crashReport(text))", progress.current, &counts)
      first = progress.current + 1
    }
    (counts.read, counts.refused) = (progress.readCount, progress.refusedCount)
    // Workers write what they find themselves.
    for _ in 0..<max(0, findings.count - before - counts.findings.count) {
      counts.findings.append(Finding(kind: kind, seed: seed, number: -1, fault: "see \(findings.url.path)"))
    }
  }

  /// The end of a worker; nil if the time is over.
  private func wait(
    for child: ChildProcess, _ progress: SharedProgress, until deadline: ContinuousClock.Instant?
  ) -> ProcessEnd? {
    var (number, since) = (progress.current, ContinuousClock.now)
    while true {
      if let end = child.poll() { return end }
      let now = ContinuousClock.now
      if progress.current != number { (number, since) = (progress.current, now) }
      if now - since > .seconds(Self.secondsPerFile) {
        child.kill()
        return .timeout
      }
      if let deadline, now > deadline {
        child.kill()
        return nil
      }
      usleep(5000)
    }
  }

  private func add(_ fault: String, _ number: Int, command: [String]? = nil, _ counts: inout CampaignCounts)
    throws
  {
    let finding = Finding(kind: kind, seed: seed, number: number, fault: fault, command: command)
    try findings.add(finding, input: kind.input(seed: seed, number: number, of: seeds[kind]))
    counts.findings.append(finding)
  }

  // MARK: By the tools

  private func runTools(
    _ count: Int, until deadline: ContinuousClock.Instant?, _ counts: inout CampaignCounts
  ) throws {
    let runs = try ToolRuns(tools: tools, support: seeds.folder.appending(path: "support"))
    for index in 0..<count {
      if let deadline, ContinuousClock.now > deadline { return }
      // The first files, so that they are among those that were read in a process.
      let input = kind.input(seed: seed, number: index, of: seeds[kind])
      for command in ToolRuns.commands(for: kind) {
        counts.toolRuns += 1
        guard let fault = try runs.fault(of: command, input: input) else { continue }
        try add(fault, index, command: command, &counts)
      }
    }
  }
}
