import Foundation
import StreamFormat
import Testing
import TestSupport

/// What small files and options may ask of eval-metrics, and in which order images are split.
@Suite struct MetricBoundsTests {
  private let folder = try! TemporaryFolder()

  private func features(_ name: String, _ tensors: [StoredTensor]) throws {
    let metadata = ["network": "inception-v3", "weights_sha256": "w", "resize": "none"]
    _ = try write(file(of: [Record(kind: .features, metadata: metadata, tensors: tensors)]), name, in: folder)
  }

  private func evaluate(_ arguments: String...) throws -> ToolProcess.Result {
    try ToolProcess.run("eval-metrics", arguments, in: folder.url, timeout: 30)
  }

  @Test func statisticsOfNothingAreRefused() throws {
    try features(
      "s",
      [
        StoredTensor(name: "mean", shape: [0], doubles: []),
        StoredTensor(name: "covariance", shape: [0, 2], doubles: []),
      ])
    expectRefusal(
      try evaluate("--reference", "s", "--samples", "s"), "eval-metrics", 65, "s: record 0",
      "'mean' of at least one feature")
  }

  @Test func covariancesOfManyFeaturesAreRefused() throws {
    let wide = StoredTensor(
      name: "features", shape: [10, 50_000], floats: .init(repeating: 1, count: 500_000))
    try features("f", [wide])
    expectRefusal(
      try evaluate("--reference", "f", "--samples", "f", "--metrics", "fid"), "eval-metrics", 65,
      "at most 8192 features", "found 50000", "GB", "try:")
  }

  @Test func hugeFeaturesAreRefusedByTheirPlace() throws {
    try features("f", [StoredTensor(name: "features", shape: [2, 2], doubles: [1, 2, 3, 1e41])])
    expectRefusal(
      try evaluate("--reference", "f", "--samples", "f"), "eval-metrics", 65, "f: image 1",
      "above 1e40 in column 1")
  }

  @Test(arguments: ["--k", "--splits", "--batch-size"]) func optionsHaveABound(option: String) throws {
    expectRefusal(
      try evaluate("--reference", "f", "--samples", "f", option, "9223372036854775807"), "eval-metrics", 64,
      "from 1 to 2^20")
  }

  @Test func classOrderIsSaidWhereItCounts() throws {
    let (classes, perClass) = (4, 60)
    var logits: [Double] = []
    for label in 0..<classes {
      for index in 0..<perClass {
        logits += (0..<classes).map { ($0 == label ? 6 : 0) + Double((index * 7 + $0) % 5) / 5 }
      }
    }
    let count = classes * perClass
    try features(
      "f",
      [
        StoredTensor(name: "features", shape: [count, 1], doubles: (0..<count).map { Double($0 % 9) }),
        StoredTensor(name: "logits", shape: [count, classes], doubles: logits),
      ])
    func score(_ more: String...) throws -> ToolProcess.Result {
      try succeed(
        "eval-metrics",
        ["--reference", "f", "--samples", "f", "--metrics", "is", "--splits", "4", "--json"] + more,
        in: folder.url)
    }
    let (random, file) = (try score(), try score("--is-split-order", "file"))
    #expect(
      random.text.contains(#""is_split_order":"random""#) && !random.errors.contains("class after class"))
    #expect(file.text.contains(#""is_split_order":"file""#) && file.errors.contains("class after class"))
    func value(_ text: String) throws -> Double {
      let match = try #require(text.firstMatch(of: /"is-inception-v3":([0-9.]+)/))
      return try #require(Double(match.1))
    }
    let (high, low) = (try value(random.text), try value(file.text))
    #expect(high > 3 && low < 1.1, "\(high) and \(low)")
    #expect(try score("--seed", "0").text == random.text && value(score("--seed", "5").text) != high)
  }
}
