import FoundationEssentials
import Glibc
import StreamFormat

/// Shows the progress of a run on standard error: one rewritten line on a terminal, otherwise a new line at
/// intervals.
public final class ProgressReporter {
  /// How progress is shown.
  public enum Style: Sendable {
    /// One line, rewritten at most ten times a second.
    case terminal
    /// A new line at most every ten seconds.
    case lines
    case silent
  }

  private let sink: ByteSink
  private let prefix: String
  private let unit: String
  private let total: Int?
  private let style: Style
  private let now: () -> Double
  private let start: Double
  private var shown: Double
  private var done = 0

  /// Starts the clock.
  /// - Parameters:
  ///   - prefix: What each line begins with, such as the tool's name.
  ///   - unit: What is counted, in the plural.
  ///   - total: How many there will be, if that is known.
  ///   - now: Seconds of a clock that never goes back.
  public init(
    _ sink: ByteSink, prefix: String, unit: String, total: Int?, style: Style,
    now: @escaping () -> Double = { ProcessInfo.processInfo.systemUptime }
  ) {
    self.sink = sink
    self.prefix = prefix
    self.unit = unit
    self.total = total
    self.style = style
    self.now = now
    start = now()
    shown = start
  }

  /// Adds to the count, and shows it if enough time has passed.
  public func advance(by count: Int = 1, detail: String = "") {
    done += count
    let time = now()
    switch style {
    case .silent: return
    case .terminal where time - shown >= 0.1: show("\r" + String(line(time, detail).prefix(79)) + "\u{1B}[K")
    case .lines where time - shown >= 10: show(line(time, detail) + "\n")
    case .terminal, .lines: return
    }
    shown = time
  }

  /// Shows the count and the time taken, and ends the line.
  public func finish() {
    let seconds = now() - start
    let text = "\(prefix): \(done) \(unit) in \(duration(seconds)), \(rate(seconds))"
    switch style {
    case .silent: break
    case .terminal: show("\r\(text)\u{1B}[K\n")
    case .lines: show("\(text)\n")
    }
  }

  private func line(_ time: Double, _ detail: String) -> String {
    let seconds = time - start
    var text = "\(prefix): \(done)"
    if let total { text += "/\(total)" }
    text += " \(unit), \(rate(seconds))"
    if let total, done > 0 {
      text += ", \(duration(seconds / Double(done) * Double(max(0, total - done)))) left"
    }
    return detail.isEmpty ? text : "\(text), \(detail)"
  }

  private func rate(_ seconds: Double) -> String {
    let rate = seconds > 0 ? Double(done) / seconds : 0
    return printed(rate < 10 ? "%.2f" : rate < 100 ? "%.1f" : "%.0f", rate) + " \(unit)/s"
  }

  // A run does not fail because its progress cannot be shown.
  private func show(_ text: String) {
    try? sink.write(text: text)
  }
}

/// Seconds as `8.2 s`, `3 min 20 s` or `2 h 5 min`.
func duration(_ seconds: Double) -> String {
  let whole = Int(seconds.rounded())
  if seconds < 60 { return printed("%.1f", seconds) + " s" }
  return whole < 3600 ? "\(whole / 60) min \(whole % 60) s" : "\(whole / 3600) h \(whole % 3600 / 60) min"
}
