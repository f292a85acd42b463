import Autograd
import Codebooks
import Datasets
import Glibc
import ImageModels
import StreamFormat
import TensorCore

extension GroupedItems {
  /// The clusters of a mapping, of the codes before it; nil for a permutation that does not tell of clusters.
  public init?(_ mapping: CodeMapping) {
    switch mapping.relation {
    case .fineToCoarse(let labels, let coarseCount): self.init(labels, count: coarseCount)
    case .permutation(let oldToNew, _):
      guard let size = mapping.clusterSize else { return nil }
      self.init(oldToNew.map { $0 / size }, count: oldToNew.count / size)
    }
  }
}

/// How well logits predict tokens: loss, and token and cluster accuracy (IAR, Table A6).
public struct TokenScores: Sendable, Equatable {
  /// Positions scored.
  public var count = 0
  /// Sum of the token cross-entropy over positions, in nats.
  public private(set) var tokenLossSum = UnroundedSum()
  /// Hits of the most probable token.
  public var tokenTop1 = 0.0
  /// Hits among the five most probable tokens.
  public var tokenTop5 = 0.0
  /// Sum of the cluster cross-entropy, in nats.
  public private(set) var clusterLossSum = UnroundedSum()
  /// Hits of the most probable cluster.
  public var clusterTop1 = 0.0
  /// Hits among the five most probable clusters.
  public var clusterTop5 = 0.0
  /// Positions whose most probable token lies in the target's cluster (the accuracy of Table A6).
  public var tokenInClusterTop1 = 0.0
  /// Positions where one of the five most probable tokens lies in the target's cluster.
  public var tokenInClusterTop5 = 0.0
  /// The clusters of the codes; nil leaves the cluster figures out.
  public let clusters: GroupedItems?

  /// - Parameter clusters: nil leaves the cluster figures out.
  public init(clusters: GroupedItems?) { self.clusters = clusters }

  /// Adds logits [rows, V] with a target each.
  /// - Returns: The token cross-entropy of each row, in nats.
  @discardableResult public mutating func add(
    _ logits: Tensor, targets: ArraySlice<Int>, on device: Device
  ) -> [Double] {
    let v = logits.lastDimension
    precondition(
      clusters.map { $0.labels.count == v } ?? true,
      "TokenScores: logits \(logits.shape), clusters of \(clusters?.labels.count ?? 0) codes")
    let clusters = clusters
    var rows = [RowScore](repeating: RowScore(), count: targets.count)
    rows.withUnsafeMutableBufferPointer { rows in
      let base = rows.baseAddress!
      device.forRanges(targets.count) { range in
        for row in range {
          let values = UnsafeBufferPointer(start: logits.pointer + row * v, count: v)
          base[row] = RowScore(values, target: targets[targets.startIndex + row], clusters)
        }
      }
    }
    for row in rows { add(row) }
    return rows.map(\.tokenLoss)
  }

  private mutating func add(_ row: RowScore) {
    count += 1
    tokenLossSum.add(row.tokenLoss)
    tokenTop1 += row.tokenRank == 0 ? 1 : 0
    tokenTop5 += row.tokenRank < 5 ? 1 : 0
    guard clusters != nil else { return }
    clusterLossSum.add(row.clusterLoss)
    clusterTop1 += row.clusterRank == 0 ? 1 : 0
    clusterTop5 += row.clusterRank < 5 ? 1 : 0
    tokenInClusterTop1 += row.clusterHits.first == true ? 1 : 0
    tokenInClusterTop5 += row.clusterHits.contains(true) ? 1 : 0
  }

  /// Stops where the loss is not finite, though the accuracies are numbers like any others.
  /// - Throws: `NotFiniteError`.
  public func requireFinite() throws {
    if !tokenLossSum.value.isFinite || !clusterLossSum.value.isFinite {
      throw NotFiniteError("the loss of the tokens")
    }
  }

  /// Means by name: loss and perplexity, accuracies as fractions.
  public var means: [String: Double] {
    var result = sums.compactMapValues(\.mean)
    result["perplexity"] = result["loss"].map { exp($0) }
    return result
  }

  /// What the means by name are of, all but the perplexity.
  public var sums: [String: MeanSum] {
    var result = ["loss": tokenLossSum]
    var hits = ["token_top1": tokenTop1, "token_top5": tokenTop5]
    if clusters != nil {
      result["cluster_loss"] = clusterLossSum
      hits["cluster_top1"] = clusterTop1
      hits["cluster_top5"] = clusterTop5
      hits["token_in_cluster_top1"] = tokenInClusterTop1
      hits["token_in_cluster_top5"] = tokenInClusterTop5
    }
    for (name, count) in hits { result[name] = UnroundedSum([count]) }
    return result.mapValues { MeanSum(sum: $0, count: count) }
  }
}

extension Transformer {
  /// Scores whole images, teacher-forced, a batch at a time.
  /// - Parameter eachBatch: receives the logits [B * N, V] of every batch, and the loss of each of its tokens in nats.
  public func score(
    _ data: TokenDataset, items: [(item: Int, view: Int)], clusters: GroupedItems?, batchSize: Int = 16,
    eachBatch: (Tensor, [Double]) throws -> Void = { _, _ in }
  ) rethrows -> TokenScores {
    var scores = TokenScores(clusters: clusters)
    for first in stride(from: 0, to: items.count, by: batchSize) {
      let (labels, tokens) = data.batch(Array(items[first..<min(first + batchSize, items.count)]))
      let logits = self.logits(Tape(device: store.device, isRecording: false), labels: labels, tokens: tokens)
      try eachBatch(logits.value, scores.add(logits.value, targets: tokens[...], on: store.device))
    }
    return scores
  }
}
