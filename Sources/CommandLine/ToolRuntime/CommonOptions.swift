import ArgumentParser

/// The options that every tool has.
public struct CommonOptions: ParsableArguments {
  /// No progress and no remarks on standard error; errors and warnings remain.
  @Flag(help: "Print no progress; errors and warnings remain.")
  public var quiet = false

  /// A summary in JSON on standard output.
  @Flag(help: "Print a summary in JSON on standard output, where that is not the product.")
  public var json = false

  /// A file for one JSON object a line.
  @Option(help: ArgumentHelp("Write one JSON object a line about the run to a file.", valueName: "file"))
  public var log: LogPath?

  /// The seed of every random number of the run.
  @Option(help: "Seed of all random numbers; recorded in the output.")
  public var seed: UInt64 = 0

  /// The number of threads; nil for as many as the machine grants.
  @Option(help: "Number of threads. (default: what cgroup and affinity grant)")
  public var threads: Int?

  /// Permission for what is refused by default.
  @Flag(help: "Write binary data to a terminal, and replace write-protected files.")
  public var force = false

  /// Leave the provenance out of the outputs.
  @Flag(help: "Leave tool, arguments and input hashes out of the output, for byte comparison.")
  public var noProvenance = false

  /// The defaults.
  public init() {}

  /// Checks ranges.
  public func validate() throws {
    if let threads, !ThreadCount.accepted.contains(threads) {
      throw ValidationError("--threads must be from 1 to \(ThreadCount.accepted.upperBound), not \(threads).")
    }
  }

  /// Checks that `--json` does not clash with a product on standard output; for use in a tool's `validate()`.
  public func requireFreeStandardOutput(besides outputs: OutputPath?...) throws {
    if json, outputs.contains(where: { $0?.isStandardOutput == true }) {
      throw ValidationError(
        "--json needs standard output, which the product takes; use --log or name a file.")
    }
    if outputs.filter({ $0?.isStandardOutput == true }).count > 1 {
      throw ValidationError("'-' is given for two outputs, and there is one standard output only.")
    }
  }
}
