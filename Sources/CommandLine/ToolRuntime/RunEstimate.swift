import ArgumentParser
import FoundationEssentials
import Glibc
import StreamFormat

/// The option of tools that can say what a run would need.
public struct EstimateOptions: ParsableArguments {
  @Flag(
    help: ArgumentHelp(
      "Print the memory that the run needs at least, and stop before the work. No output is written."))
  public var estimate = false

  public init() {}
}

/// Ends a run that was to be estimated only.
struct EstimateGiven: Error {}

/// The time of a run, by that of its first steps.
public struct MeasuredSteps {
  /// Seconds of a step: the median, without the first.
  public var secondsPerStep: Double
  /// Steps that are left to the run.
  public var steps: Int
  /// What else was measured, for the estimate as JSON.
  public var further: [String: JSONValue] = [:]

  /// - Parameters:
  ///   - times: the seconds that each measured step took, at least one.
  ///   - steps: those that are left.
  public init(times: [Double], steps: Int) {
    precondition(!times.isEmpty, "MeasuredSteps: no step was measured")
    let steady = (times.count > 1 ? Array(times.dropFirst()) : times).sorted()
    (secondsPerStep, self.steps) = (steady[steady.count / 2], steps)
  }

  /// Seconds of all steps.
  public var seconds: Double { secondsPerStep * Double(steps) }
}

extension ToolSession {
  /// Ends the run here if only its estimate is asked for; no output is left.
  ///
  /// To be called after ``requireMemory(_:limit:)``: the largest estimate that the run has made is the one that counts.
  /// - Throws: what ends the run, and `StreamError`.
  public func finish(_ options: EstimateOptions) throws {
    if options.estimate { try finishWithEstimate() }
  }

  /// Prints the largest estimate of memory, and the time if it was measured; ends the run.
  /// - Throws: what ends the run, and `StreamError`.
  public func finishWithEstimate(_ measured: MeasuredSteps? = nil) throws -> Never {
    if communicator.isFirst {
      let isJSON = options.json
      try printLine(isJSON ? sortedJSON(estimateFields(measured)) : estimateText(measured))
    }
    throw EstimateGiven()
  }

  private func estimateFields(_ measured: MeasuredSteps?) -> [String: JSONValue] {
    var fields: [String: JSONValue] = [
      "memory_bytes": .number(largestEstimate?.bytes ?? 0),
      "memory_parts": .object(
        Dictionary(
          largestEstimate?.parts.map { ($0.purpose, JSONValue.number($0.bytes)) } ?? [],
          uniquingKeysWith: { first, _ in first })),
    ]
    fields["memory_limit_bytes"] = memory.map { .number($0.bytes) }
    if let measured {
      fields["seconds_per_step"] = .number(measured.secondsPerStep)
      (fields["steps"], fields["seconds"]) = (.integer(measured.steps), .number(measured.seconds))
      fields["measured_megabytes"] = .number(peakMegabytes())
      fields.merge(measured.further) { own, _ in own }
    }
    return fields
  }

  private func estimateText(_ measured: MeasuredSteps?) -> String {
    var lines: [String] = []
    if let largestEstimate {
      let limit = memory.map { "; \($0.reason) \(inWords($0.bytes))" } ?? ""
      lines.append(
        "memory: at least \(inWords(largestEstimate.bytes)) (\(largestEstimate.partsInWords))\(limit)")
    }
    if let measured {
      lines.append("measured: \(inWords(peakMegabytes() * 1e6)) at most in the first steps")
      lines.append(
        "time: \(printed("%.3g", measured.secondsPerStep)) s per step; \(duration(measured.seconds)) in all, "
          + "without scoring and checkpoints"
      )
    }
    return lines.joined(separator: "\n")
  }
}
