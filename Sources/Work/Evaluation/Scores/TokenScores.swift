import Autograd
import Datasets
import Glibc
import ImageModels
import TensorCore

/// How well logits predict tokens: loss, and token and cluster accuracy (IAR, Table A6).
public struct TokenScores: Sendable, Equatable {
  /// Positions scored.
  public var count = 0
  /// Sum of the token cross-entropy over positions, in nats.
  public var tokenLoss = 0.0
  /// Hits of the most probable token.
  public var tokenTop1 = 0.0
  /// Hits among the five most probable tokens.
  public var tokenTop5 = 0.0
  /// Sum of the cluster cross-entropy, in nats.
  public var clusterLoss = 0.0
  /// Hits of the most probable cluster.
  public var clusterTop1 = 0.0
  /// Hits among the five most probable clusters.
  public var clusterTop5 = 0.0
  /// Whether the cluster scores are computed.
  public let clusterSize: Int

  /// - Parameter clusterSize: codes in a cluster; 0 leaves the cluster figures out.
  public init(clusterSize: Int) { self.clusterSize = clusterSize }

  /// Adds logits [rows, V] with a target each.
  public mutating func add(_ logits: Tensor, targets: ArraySlice<Int>, on device: Device) {
    let v = logits.lastDimension
    var rows = [RowScore](repeating: RowScore(), count: targets.count)
    rows.withUnsafeMutableBufferPointer { rows in
      let base = rows.baseAddress!
      device.forRanges(targets.count) { range in
        for row in range {
          let values = UnsafeBufferPointer(start: logits.pointer + row * v, count: v)
          base[row] = RowScore(values, target: targets[targets.startIndex + row], clusterSize: clusterSize)
        }
      }
    }
    for row in rows {
      count += 1
      tokenLoss += row.tokenLoss
      tokenTop1 += row.tokenRank == 0 ? 1 : 0
      tokenTop5 += row.tokenRank < 5 ? 1 : 0
      guard clusterSize > 0 else { continue }
      clusterLoss += row.clusterLoss
      clusterTop1 += row.clusterRank == 0 ? 1 : 0
      clusterTop5 += row.clusterRank < 5 ? 1 : 0
    }
  }

  /// Stops where the loss is not finite, though the accuracies are numbers like any others.
  /// - Throws: `NotFiniteError`.
  public func requireFinite() throws {
    if !tokenLoss.isFinite || !clusterLoss.isFinite { throw NotFiniteError("the loss of the tokens") }
  }

  /// Means by name: loss and perplexity, accuracies as fractions.
  public var means: [String: Double] {
    guard count > 0 else { return [:] }
    let n = Double(count)
    var result = [
      "loss": tokenLoss / n, "perplexity": exp(tokenLoss / n), "token_top1": tokenTop1 / n,
      "token_top5": tokenTop5 / n,
    ]
    if clusterSize > 0 {
      result["cluster_loss"] = clusterLoss / n
      result["cluster_top1"] = clusterTop1 / n
      result["cluster_top5"] = clusterTop5 / n
    }
    return result
  }
}

/// The figures of one position. A rank is the number of entries above the target's.
private struct RowScore {
  var tokenLoss = 0.0
  var tokenRank = 0
  var clusterLoss = 0.0
  var clusterRank = 0

  init() {}

  init(_ logits: UnsafeBufferPointer<Float>, target: Int, clusterSize: Int) {
    let whole = logSumExp(logits[...])
    tokenLoss = whole - Double(logits[target])
    tokenRank = logits.reduce(0) { $0 + ($1 > logits[target] ? 1 : 0) }
    guard clusterSize > 0 else { return }
    let sums = stride(from: 0, to: logits.count, by: clusterSize).map {
      logSumExp(logits[$0..<$0 + clusterSize])
    }
    clusterLoss = whole - sums[target / clusterSize]
    clusterRank = sums.reduce(0) { $0 + ($1 > sums[target / clusterSize] ? 1 : 0) }
  }
}

private func logSumExp(_ x: Slice<UnsafeBufferPointer<Float>>) -> Double {
  let maximum = x.reduce(-Float.infinity) { Swift.max($0, $1) }
  let sum = x.reduce(0.0) { $0 + Double(exp($1 - maximum)) }
  return Double(maximum) + log(sum)
}

extension Transformer {
  /// Scores whole images, teacher-forced, a batch at a time.
  /// - Parameter eachBatch: receives the logits [B * N, V] of every batch.
  public func score(
    _ data: TokenDataset, items: [(item: Int, view: Int)], clusterSize: Int, batchSize: Int = 16,
    eachBatch: (Tensor) throws -> Void = { _ in }
  ) rethrows -> TokenScores {
    var scores = TokenScores(clusterSize: clusterSize)
    for first in stride(from: 0, to: items.count, by: batchSize) {
      let (labels, tokens) = data.batch(Array(items[first..<min(first + batchSize, items.count)]))
      let logits = self.logits(Tape(device: store.device, isRecording: false), labels: labels, tokens: tokens)
      scores.add(logits.value, targets: tokens[...], on: store.device)
      try eachBatch(logits.value)
    }
    return scores
  }
}
