import ArgumentParser

/// The options that every tool has.
public struct CommonOptions: ParsableArguments {
  @Flag(help: "Print only errors and warnings.")
  public var quiet = false

  @Flag(help: "Print a summary in JSON on standard output, if the product does not go there.")
  public var json = false

  /// A file for one JSON object per line.
  @Option(
    help: ArgumentHelp("Write a log of the run to this file, one JSON object per line.", valueName: "file"))
  public var log: LogPath?

  @Option(help: "Seed of all random numbers, recorded in the output.")
  public var seed: UInt64 = 0

  @Option(help: "Number of threads, at least 1. (default: as many as control group and affinity grant)")
  public var threads: Int?

  @Flag(help: "Write binary data even to a terminal, and replace write-protected files.")
  public var force = false

  @Flag(help: "Record no tool, arguments and input hashes in the output, so that its bytes can be compared.")
  public var noProvenance = false

  public init() {}

  /// Checks ranges.
  public func validate() throws {
    if let threads, !ThreadCount.accepted.contains(threads) {
      throw ValidationError("--threads must be from 1 to \(ThreadCount.accepted.upperBound), not \(threads).")
    }
  }

  /// Checks that `--json` and a product do not both go to standard output; for use in a tool's `validate()`.
  /// - Parameter isEstimate: whether the run ends with an estimate, and writes no product.
  public func requireFreeStandardOutput(besides outputs: OutputPath?..., isEstimate: Bool = false) throws {
    if json, !isEstimate, outputs.contains(where: { $0?.isStandardOutput == true }) {
      throw ValidationError(
        "--json needs standard output, which the product takes; use --log or name a file.")
    }
    if outputs.filter({ $0?.isStandardOutput == true }).count > 1 {
      throw ValidationError("'-' is given for two outputs, and there is one standard output only.")
    }
  }
}
