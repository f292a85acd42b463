import Autograd
import Datasets
import ImageModels
import TensorCore

/// Where a model's features are read (ST-AR, Figure 1b).
public struct FeaturePlaces: Sendable, Equatable {
  /// Blocks that are run; the features are the last one's output, before any norm.
  public let layer: Int
  /// Places in the sequence: place t, whose input is token t - 1, has seen t tokens and predicts token t.
  public let positions: [Int]

  public init(layer: Int, positions: [Int]) {
    (self.layer, self.positions) = (layer, positions)
  }

  /// The ends of `count` equal parts of a sequence, so that the last place has seen all tokens but one.
  /// - Parameter count: from 1 to `tokenCount`.
  public static func evenlySpaced(_ count: Int, of tokenCount: Int) -> [Int] {
    precondition((1...tokenCount).contains(count), "evenlySpaced: \(count) of \(tokenCount)")
    return (1...count).map { $0 * tokenCount / count - 1 }
  }
}

extension Transformer {
  /// Features of images without their class, one tensor [n, C] a position; all positions come from one causal pass.
  /// - Parameter eachBatch: called with the number of images of every batch.
  public func features(
    _ data: TokenDataset, items: [(item: Int, view: Int)], at places: FeaturePlaces, batchSize: Int = 16,
    eachBatch: (Int) throws -> Void = { _ in }
  ) rethrows -> [Tensor] {
    let (n, c) = (configuration.tokenCount, configuration.width)
    precondition(
      (1...configuration.layers).contains(places.layer)
        && places.positions.allSatisfy { (0..<n).contains($0) },
      "features: layer \(places.layer) of \(configuration.layers), positions \(places.positions) of \(n)")
    let features = places.positions.map { _ in store.device.empty([items.count, c]) }
    for first in stride(from: 0, to: items.count, by: batchSize) {
      let part = Array(items[first..<min(first + batchSize, items.count)])
      let output = output(ofBlocks: places.layer, tokens: data.batch(part).tokens, images: part.count)
      for (feature, position) in zip(features, places.positions) {
        for image in part.indices {
          (feature.pointer + (first + image) * c).update(
            from: output.pointer + (image * n + position) * c, count: c)
        }
      }
      try eachBatch(part.count)
    }
    return features
  }

  /// The output [B, N, C] of the first `count` blocks for images of no class.
  private func output(ofBlocks count: Int, tokens: [Int], images: Int) -> Tensor {
    let n = configuration.tokenCount
    let tape = Tape(device: store.device, isRecording: false)
    let inputs = (0..<images).flatMap { tokens[$0 * n..<($0 + 1) * n - 1] }
    let labels = [Int](repeating: configuration.noClass, count: images)
    return run(tape, embed(tape, labels: labels, inputs: inputs), first: count, masks: { _ in .causal }).value
  }
}
