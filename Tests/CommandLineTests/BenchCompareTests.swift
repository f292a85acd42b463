import Foundation
import Testing
import TestSupport

/// `tessera-bench --compare` on its quickest row.
@Suite struct BenchCompareTests {
  private let folder = try! TemporaryFolder()
  private let row = ["--rows", "sample-6x256", "--precision", "bfloat16", "--runs", "1", "--threads", "1"]

  private func measurement(rate: Double) -> [UInt8] {
    let fields =
      #"{"row":"sample-6x256","precision":"bfloat16","threads":1,"unit":"tokens","rate":\#(rate),"#
      + #""limit":1,"limitUnit":"GFLOP/s","peakMegabytes":1}"#
    return Array((fields + "\n").utf8)
  }

  @Test func aRowThatLostSpeedFails() throws {
    let impossible = try write(measurement(rate: 1e12), "fast.jsonl", in: folder)
    let slower = try ToolProcess.run("tessera-bench", row + ["--compare", impossible], timeout: 60)
    #expect(slower.status == 1)
    #expect(slower.errors.contains("slower than \(impossible) by more than 10 %: sample-6x256"))
    #expect(slower.text.contains("0.00 x"))
    let easy = try write(measurement(rate: 1), "slow.jsonl", in: folder)
    let faster = try ToolProcess.run("tessera-bench", row + ["--json", "--compare", easy], timeout: 60)
    #expect(faster.status == 0, "\(faster.errors)")
    let line = try #require(
      try JSONSerialization.jsonObject(with: Data(faster.text.utf8)) as? [String: Any])
    #expect(line["row"] as? String == "sample-6x256" && (line["rate"] as? Double ?? 0) > 1)
  }

  @Test func mistakes() throws {
    let missing = try ToolProcess.run("tessera-bench", row + ["--compare", folder.path("none")])
    #expect(missing.status == 66 && missing.errors.contains("expected a file of measurements"))
    let other = try write(measurement(rate: 1) + Array("no\n".utf8), "bad.jsonl", in: folder)
    let bad = try ToolProcess.run("tessera-bench", row + ["--compare", other])
    #expect(bad.status == 65 && bad.errors.contains("\(other): line 2"))
    let unknown = try ToolProcess.run("tessera-bench", ["--rows", "train-6x256", "--precision", "int8"])
    #expect(unknown.status == 64 && unknown.errors.contains("no row 'train-6x256' in int8"))
    #expect(unknown.errors.contains("LlamaGen-B-1, CTF-B-1") && unknown.errors.contains("CTF-XL-64"))
  }
}
