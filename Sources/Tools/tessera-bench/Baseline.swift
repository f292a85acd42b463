import ArgumentParser
import Foundation

/// Measurements of an earlier run, to compare with.
struct Baseline {
  /// The share of its rate that a row may lose before the comparison fails.
  static let allowedLoss = 0.1

  private var rates: [String: Double] = [:]

  /// Reads the lines that `--json` wrote.
  /// - Throws: `BaselineError`.
  init(path: String) throws {
    guard let data = FileManager.default.contents(atPath: path) else { throw BaselineError.noFile(path) }
    for (index, line) in data.split(separator: UInt8(ascii: "\n")).enumerated() {
      guard let measurement = try? JSONDecoder().decode(Measurement.self, from: line) else {
        throw BaselineError.notAMeasurement(path, line: index + 1)
      }
      rates[Self.key(measurement)] = measurement.rate
    }
  }

  /// The rate over the earlier one; nil for a row that the baseline does not have.
  func ratio(_ measurement: Measurement) -> Double? {
    rates[Self.key(measurement)].map { measurement.rate / $0 }
  }

  private static func key(_ m: Measurement) -> String { "\(m.row) \(m.precision.rawValue) \(m.threads)" }
}

/// What is wrong with a baseline.
enum BaselineError: Error, CustomStringConvertible {
  case noFile(String)
  case notAMeasurement(String, line: Int)

  /// 66 or 65, as in the tools.
  var exitCode: ExitCode {
    switch self {
    case .noFile: ExitCode(66)
    case .notAMeasurement: ExitCode(65)
    }
  }

  var description: String {
    switch self {
    case .noFile(let path): "\(path): expected a file of measurements; found none; try: --json > \(path)"
    case .notAMeasurement(let path, let line):
      "\(path): line \(line): expected a measurement as --json writes it; found something else; try: --json > \(path)"
    }
  }
}
