import Codebooks
import Datasets
@testable import Evaluation
import Glibc
import StreamFormat
import TensorCore
import Testing
import TestSupport

/// Losses and accuracies against counting by hand.
@Suite struct TokenScoresTests {
  @Test(arguments: [0, 4]) func againstSortedLogits(clusterSize: Int) {
    let device = Device(threadCount: 2)
    let (rows, v) = (37, 24)
    let logits = device.random([rows, v], 1, deviation: 2)
    let targets = (0..<rows).map { $0 * 11 % v }
    var scores = TokenScores(clusters: GroupedItems(v, inBlocksOf: clusterSize))
    // In two parts, the second a slice that does not start at 0.
    scores.add(
      device.tensor(Array(logits.toArray()[..<(10 * v)]), [10, v]), targets: targets[..<10], on: device)
    scores.add(
      device.tensor(Array(logits.toArray()[(10 * v)...]), [27, v]), targets: targets[10...], on: device)

    var expected: [String: Double] = [:]
    for (row, target) in targets.enumerated() {
      let p = logits.toArray()[row * v..<(row + 1) * v].map { exp(Double($0)) }
      func add(_ name: String, _ p: [Double], _ index: Int) {
        let order = p.indices.sorted { p[$0] > p[$1] }
        expected[name + "loss", default: 0] += -log(p[index] / p.reduce(0, +)) / Double(rows)
        expected[name + "top1", default: 0] += order[0] == index ? 1 / Double(rows) : 0
        expected[name + "top5", default: 0] += order.prefix(5).contains(index) ? 1 / Double(rows) : 0
      }
      add("token_", p, target)
      guard clusterSize > 0 else { continue }
      let sums = stride(from: 0, to: v, by: clusterSize).map { p[$0..<$0 + clusterSize].reduce(0, +) }
      add("cluster_", sums, target / clusterSize)
      let hits = p.indices.sorted { p[$0] > p[$1] }.prefix(5).map { $0 / clusterSize == target / clusterSize }
      expected["token_in_cluster_top1", default: 0] += hits[0] ? 1 / Double(rows) : 0
      expected["token_in_cluster_top5", default: 0] += hits.contains(true) ? 1 / Double(rows) : 0
    }
    expected["loss"] = expected.removeValue(forKey: "token_loss")
    expected["perplexity"] = exp(expected["loss"]!)
    let means = scores.means
    #expect(Set(means.keys) == Set(expected.keys) && scores.count == rows)
    for (name, value) in expected { #expect(abs(means[name]! - value) < 1e-6 * max(1, value), "\(name)") }
  }

  @Test func clustersOfAnyOrderScoreAsTheBlocksOfTheSameCodes() {
    let device = Device(threadCount: 2)
    let (rows, v, size) = (19, 24, 4)
    let logits = device.random([rows, v], 2, deviation: 2).toArray()
    let targets = (0..<rows).map { $0 * 7 % v }
    // Code y of the old order is code place[y] of the new one.
    let place = (0..<v).map { $0 * 5 % v }
    let moved = (0..<rows).flatMap { row -> [Float] in
      var new = [Float](repeating: 0, count: v)
      for code in 0..<v { new[place[code]] = logits[row * v + code] }
      return new
    }
    var (old, new) = (
      TokenScores(clusters: GroupedItems(place.map { $0 / size }, count: v / size)),
      TokenScores(clusters: GroupedItems(v, inBlocksOf: size))
    )
    old.add(device.tensor(logits, [rows, v]), targets: targets[...], on: device)
    new.add(device.tensor(moved, [rows, v]), targets: targets.map { place[$0] }[...], on: device)
    for (name, value) in new.means { #expect(abs(old.means[name]! - value) < 1e-9, "\(name)") }
  }

  @Test func entropies() {
    func entropy(_ counts: [Int]) -> Double {
      var usage = CodeUsage(codes: counts.count)
      for (code, count) in counts.enumerated() { usage.add([Int](repeating: code, count: count)) }
      return usage.entropy
    }
    #expect(abs(entropy([5, 5, 5, 5]) - log(4)) < 1e-12 && entropy([7, 0, 0]) == 0)
    #expect(abs(entropy([1, 3]) - (0.25 * log(4) + 0.75 * log(4.0 / 3))) < 1e-12)
    #expect(TokenScores(clusters: nil).means.isEmpty)
  }

  @Test func datasetsHandOutViews() {
    let header = TokenHeader(
      vocabSize: 9, rows: 1, columns: 2, codebookSHA256: "00", classCount: 3,
      viewNames: ["center", "flipped"])
    let data = TokenDataset(TokenBatch(header: header, tokens: [0, 1, 2, 3, 4, 5, 6, 7], labels: [2, 0]))
    #expect(data.count == 2 && Array(data.tokens(item: 1, view: 0)) == [4, 5])
    let batch = data.batch([(1, 1), (0, 0)])
    #expect(batch.labels == [0, 2] && batch.tokens == [6, 7, 0, 1])
    #expect(abs(data.unigramEntropy - log(8)) < 1e-12)
    let other = TokenDataset(TokenBatch(header: header, tokens: [0, 1, 2, 3, 4, 5, 7, 6], labels: [2, 0]))
    #expect(other.sha256 != data.sha256)
    // Another image that was skipped moves the held-out part.
    func skipping(_ skipped: [UInt32]) -> String {
      TokenDataset(
        TokenBatch(header: header, tokens: [0, 1, 2, 3, 4, 5, 6, 7], labels: [2, 0], skipped: skipped)
      ).sha256
    }
    #expect(skipping([]) == data.sha256 && Set([[], [0], [1], [2], [0, 1]].map(skipping)).count == 5)
  }
}
