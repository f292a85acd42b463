import ArgumentParser
import Foundation
import ImageModels
import SuiteOptions
import TensorCore
import ToolRuntime

@main struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tessera-bench", abstract: "Measures training, sampling and decoding speed on this machine.",
    discussion: """
      Each row is the median of several runs, beside the limit that was measured just before and after it: of
      matrix products, or of memory for sampling one image.

      Example:
        tessera-bench --json > before.jsonl; ...; tessera-bench --compare before.jsonl
      """)

  @Option(help: "Number of threads.") var threads = 2
  @Option(
    parsing: .upToNextOption,
    help:
      "Names of the rows to measure. (default: all but the published sizes, of CTF's table 2 such as CTF-B-1, and of VAR)"
  )
  var rows: [String] = []
  @Option(help: "Number of timed runs per row; the median counts.") var runs = 5
  @Flag(
    inversion: .prefixedNo,
    help: "Run each row once before it is timed. Rows that take minutes can do without.") var warmUp = true
  @Option(help: "Number format of products; int8 is for sampling only.")
  var precision = SamplingPrecision.float32
  @Flag(help: "Print one JSON object per row.") var json = false
  @Option(
    help: ArgumentHelp(
      "File with the output of an earlier --json; fails if a row has lost more than 10 % of "
        + "its speed."))
  var compare: String?

  func validate() throws {
    if threads < 1 || runs < 1 { throw ValidationError("--threads and --runs must be at least 1.") }
    let known = BenchmarkRow.known(precision).map(\.name)
    if let unknown = rows.first(where: { !known.contains($0) }) {
      throw ValidationError(
        "--rows: no row '\(unknown)' in \(precision.rawValue); \(known.joined(separator: ", ")).")
    }
  }

  func run() throws {
    let baseline = try readBaseline()
    // The arithmetic of int8 is compared with products of the next wider format.
    let device = Device(threadCount: threads, precision: precision == .float32 ? .float32 : .bfloat16)
    var slower: [String] = []
    let chosen =
      rows.isEmpty
      ? BenchmarkRow.all(precision) : BenchmarkRow.known(precision).filter { rows.contains($0.name) }
    for row in chosen {
      let measurement = Stopwatch(device: device).measure(row, precision, runs: runs, warmsUp: warmUp)
      let ratio = baseline?.ratio(measurement)
      report(measurement, ratio)
      if let ratio, ratio < 1 - Baseline.allowedLoss { slower.append(row.name) }
      device.memory.trim()
    }
    guard slower.isEmpty else {
      complain("slower than \(compare ?? "") by more than 10 %: \(slower.joined(separator: ", "))")
      throw ExitCode(1)
    }
  }

  private func readBaseline() throws -> Baseline? {
    do {
      return try compare.map { try Baseline(path: $0) }
    } catch let error as BaselineError {
      complain(error.description)
      throw error.exitCode
    }
  }

  private func complain(_ message: String) {
    FileHandle.standardError.write(Data("tessera-bench: \(message)\n".utf8))
  }

  private func report(_ m: Measurement, _ ratio: Double?) {
    if json, let line = try? JSONEncoder().encode(m) {
      print(String(decoding: line, as: UTF8.self))
    } else {
      let share = m.shareOfLimit.map { String(format: "%3.0f %%", $0 * 100) } ?? "    -"
      let change = ratio.map { String(format: "  %.2f x", $0) } ?? ""
      print(
        String(
          format: "%@ %@ %10.2f %@/s  %@ of %.0f %@  %.0f MB  %d threads%@",
          m.row.padding(toLength: 20, withPad: " ", startingAt: 0), m.precision.rawValue, m.rate, m.unit,
          share,
          m.limit, m.limitUnit, m.peakMegabytes, m.threads, change))
    }
    fflush(nil)
  }
}
