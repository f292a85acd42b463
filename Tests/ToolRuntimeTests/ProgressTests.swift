import StreamFormat
import Testing
@testable import ToolRuntime

@Suite struct ProgressTests {
  /// Runs a reporter by a clock of its own: each pair is a time and a count.
  private func shown(
    _ style: ProgressReporter.Style, total: Int? = nil, _ steps: [(time: Double, count: Int)], end: Double
  ) -> String {
    let sink = MemorySink()
    var time = 100.0
    let reporter = ProgressReporter(sink, prefix: "tokenize", unit: "images", total: total, style: style) {
      time
    }
    for step in steps {
      time = 100 + step.time
      reporter.advance(by: step.count)
    }
    time = 100 + end
    reporter.finish()
    return String(decoding: sink.bytes, as: UTF8.self)
  }

  @Test func offATerminalALineComesEveryTenSeconds() {
    let steps = (1...25).map { (time: Double($0), count: 4) }
    #expect(
      shown(.lines, total: 200, steps, end: 25) == """
        tokenize: 40/200 images, 4.00 images/s, 40.0 s left
        tokenize: 80/200 images, 4.00 images/s, 30.0 s left
        tokenize: 100 images in 25.0 s, 4.00 images/s

        """)
  }

  @Test func onATerminalOneLineIsRewritten() {
    let text = shown(.terminal, [(0.0625, 1), (0.25, 1), (0.3125, 1), (7200, 1)], end: 7260)
    #expect(
      text == "\rtokenize: 2 images, 8.00 images/s\u{1B}[K\rtokenize: 4 images, 0.00 images/s\u{1B}[K"
        + "\rtokenize: 4 images in 2 h 1 min, 0.00 images/s\u{1B}[K\n")
  }

  @Test func silenceIsSilent() {
    #expect(shown(.silent, [(60, 5)], end: 90) == "")
  }

  @Test func noTimeAtAllIsNoRate() {
    #expect(shown(.lines, [(0, 5)], end: 0) == "tokenize: 5 images in 0.0 s, 0.00 images/s\n")
  }
}
