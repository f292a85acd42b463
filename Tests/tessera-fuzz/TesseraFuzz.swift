import ArgumentParser
import Foundation
import Fuzzing

@main struct TesseraFuzz: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tessera-fuzz", abstract: "Gives damaged and hostile files to the readers and the tools.",
    subcommands: [Run.self, Input.self, Work.self], defaultSubcommand: Run.self)
}

extension FuzzKind: ExpressibleByArgument {}

/// What every subcommand needs.
struct SharedOptions: ParsableArguments {
  @Option(help: "Seed of all random numbers.") var seed: UInt64 = 1
  @Option(help: "The repository, whose seeds are used.") var root = "."
  @Option(help: "Folder for the files with which something went wrong.") var findings = "out/fuzz"

  func seeds() throws -> SeedFiles { try SeedFiles(root: URL(filePath: root)) }
  func findingFolder() throws -> FindingFolder { try FindingFolder(URL(filePath: findings)) }
}

/// A line on standard output, at once.
private func say(_ line: String) throws {
  try FileHandle.standardOutput.write(contentsOf: Data("\(line)\n".utf8))
}

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Run a campaign.")

  @OptionGroup var options: SharedOptions
  @Argument(help: "Kinds of files. (default: all)") var kinds: [FuzzKind] = []
  @Option(help: "Number of files per kind.") var count = 1_000_000_000
  @Option(help: "Seconds per kind. (default: until all files are read)") var seconds: Double?

  func validate() throws {
    if count < 1 || seconds ?? 1 <= 0 { throw ValidationError("--count and --seconds must be positive.") }
  }

  func run() throws {
    let (seeds, findings) = (try options.seeds(), try options.findingFolder())
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let worker = [
      program, "work", "--root", URL(filePath: options.root).path, "--findings", findings.url.path,
    ]
    var faults = 0
    for kind in kinds.isEmpty ? FuzzKind.allCases : kinds {
      let campaign = Campaign(
        kind: kind, seed: options.seed, seeds: seeds, findings: findings, worker: worker,
        tools: URL(filePath: program).deletingLastPathComponent())
      let counts = try campaign.run(CampaignSize(files: count, seconds: seconds))
      faults += counts.findings.count
      try say(
        "\(kind.rawValue)\t\(counts.read) read\t\(counts.refused) refused\t\(counts.toolRuns) runs of tools\t\(counts.findings.count) findings"
      )
      for finding in counts.findings.prefix(5) {
        try say("  \(finding.number): \(finding.fault.prefix(400))")
      }
    }
    if faults > 0 {
      try say("\(faults) findings in \(findings.url.path)")
      throw ExitCode.failure
    }
  }
}

struct Input: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Write a mutated file to standard output.")

  @OptionGroup var options: SharedOptions
  @Argument(help: "Kind of the file.") var kind: FuzzKind
  @Option(help: "Number of the file.") var number: Int

  func run() throws {
    try FileHandle.standardOutput.write(
      contentsOf: Data(kind.input(seed: options.seed, number: number, of: options.seeds()[kind])))
  }
}

struct Work: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Read mutated files in this process.", shouldDisplay: false)

  @OptionGroup var options: SharedOptions
  @Argument(help: "Kind of the files.") var kind: FuzzKind
  @Option(help: "Number of the first file.") var first = 0
  @Option(help: "Number of files.") var count = 1
  @Option(help: "File that is mapped.") var progress: String
  @Option(help: "Megabytes that a file may take.") var megabytes = 1024

  func run() throws {
    let worker = try Worker(
      kind: kind, seed: options.seed, numbers: first..<first + count, seeds: options.seeds(),
      findings: options.findingFolder(),
      progress: progress)
    try worker.run(megabytes: megabytes)
  }
}
