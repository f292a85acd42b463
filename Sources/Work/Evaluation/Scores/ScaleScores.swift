import Autograd
import Codebooks
import Datasets
import TensorCore
import VAR

/// How well a VAR transformer predicts tokens: over all scales, and at each of them.
public struct ScaleScores: Sendable, Equatable {
  /// All positions together: each counts the same, so that large scales count most.
  public private(set) var all: TokenScores
  /// The same of each scale, the smallest first.
  public private(set) var scales: [TokenScores]

  init(clusters: GroupedItems?, scaleCount: Int) {
    all = TokenScores(clusters: clusters)
    scales = [TokenScores](repeating: all, count: scaleCount)
  }

  /// Adds whole images: logits [B, L, V].
  /// - Returns: The loss of each of the B * L tokens, in nats.
  mutating func add(_ logits: Tensor, tokens: [Int], offsets: [Int], on device: Device) -> [Double] {
    let (v, length) = (logits.lastDimension, offsets[scales.count])
    let losses = all.add(logits, targets: tokens[...], on: device)
    for scale in scales.indices {
      let size = offsets[scale + 1] - offsets[scale]
      let rows = device.empty([tokens.count / length * size, v])
      var targets: [Int] = []
      for image in 0..<tokens.count / length {
        let first = image * length + offsets[scale]
        (rows.pointer + image * size * v).update(from: logits.pointer + first * v, count: size * v)
        targets += tokens[first..<first + size]
      }
      scales[scale].add(rows, targets: targets[...], on: device)
    }
    return losses
  }

  /// Means by name: those of all positions, and `loss_scale_1`, the smallest scale, and so on.
  public var means: [String: Double] {
    var result = all.means
    for (scale, scores) in scales.enumerated() {
      result["loss_scale_\(scale + 1)"] = scores.means["loss"]
    }
    return result
  }

  /// What the means by name are of, all but the perplexity.
  public var sums: [String: MeanSum] {
    var result = all.sums
    for (scale, scores) in scales.enumerated() {
      result["loss_scale_\(scale + 1)"] = scores.sums["loss"]
    }
    return result
  }

  /// Stops where the loss is not finite.
  /// - Throws: `NotFiniteError`.
  public func requireFinite() throws { try all.requireFinite() }
}

extension VARTransformer {
  /// Scores whole images, teacher-forced, a batch at a time.
  /// - Parameter eachBatch: receives the logits [B, L, V] of every batch, and the loss of each of its tokens in nats.
  public func score(
    _ data: TokenDataset, items: [(item: Int, view: Int)], clusters: GroupedItems?, batchSize: Int = 16,
    eachBatch: (Tensor, [Double]) throws -> Void = { _, _ in }
  ) rethrows -> ScaleScores {
    let offsets = configuration.multiScale.offsets
    var scores = ScaleScores(clusters: clusters, scaleCount: offsets.count - 1)
    for first in stride(from: 0, to: items.count, by: batchSize) {
      let (labels, tokens) = data.batch(Array(items[first..<min(first + batchSize, items.count)]))
      let logits = self.logits(Tape(device: store.device, isRecording: false), labels: labels, tokens: tokens)
      try eachBatch(
        logits.value, scores.add(logits.value, tokens: tokens, offsets: offsets, on: store.device))
    }
    return scores
  }
}
