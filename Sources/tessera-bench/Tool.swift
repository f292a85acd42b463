import ArgumentParser
import Foundation
import TensorCore
import ToolKit

@main struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tessera-bench", abstract: "Measures training, sampling and decoding speed on this machine.",
    discussion:
      "Each row is the median of five runs, beside the matrix-product limit measured just before it.")

  @Option(help: "Threads.") var threads = 2
  @Option(parsing: .upToNextOption, help: "Rows to measure; all unless given.") var rows: [String] = []
  @Option(help: "Timed runs of each row.") var runs = 5
  @Option(help: "Format of large matrix products: float32 or bfloat16.") var precision = Precision.float32
  @Flag(help: "One JSON object a row.") var json = false

  func run() throws {
    let device = Device(threadCount: threads, precision: precision)
    let stopwatch = Stopwatch(device: device)
    for row in BenchmarkRow.all where rows.isEmpty || rows.contains(row.name) {
      let limit = stopwatch.matrixProductLimit()
      let work = row.prepare(device)
      let seconds = stopwatch.median(runs: runs, work)
      let measurement = Measurement(
        row: row.name, threads: threads, unit: row.unit, rate: row.units / seconds,
        shareOfLimit: row.operations.map { $0 / seconds / 1e9 / limit }, limit: limit,
        peakMegabytes: Stopwatch.peakMegabytes)
      report(measurement)
    }
  }

  private func report(_ m: Measurement) {
    if json, let line = try? JSONEncoder().encode(m) {
      print(String(decoding: line, as: UTF8.self))
    } else {
      let share = m.shareOfLimit.map { String(format: "%3.0f %%", $0 * 100) } ?? "    -"
      print(
        String(
          format: "%@ %10.2f %@/s  %@ of %.0f GFLOP/s  %.0f MB  %d threads",
          m.row.padding(toLength: 16, withPad: " ", startingAt: 0), m.rate, m.unit, share, m.limit,
          m.peakMegabytes, m.threads))
    }
    fflush(nil)
  }
}
