import Autograd
import CTF
import Codebooks
import Datasets
import Evaluation
import ImageModels
import NeuralNet
import VAR

/// Images that are scored at a time.
let scoredBatch = 16

/// A model that is trained on tokens and their classes by ``TransformerTask``.
public protocol TokenModel: AnyObject {
  /// All trained parameters.
  var store: ParameterStore { get }
  /// The mean loss of whole images: a class each, and their tokens, image after image.
  func loss(
    _ tape: Tape, labels: [Int], tokens: [Int], _ loss: any RowLoss, dropout: DropoutPlan?
  ) -> CrossEntropyResult
  /// What mean loss and accuracies of some images of a data set are sums of, by name.
  func scoreSums(of data: TokenDataset, items: [(item: Int, view: Int)], clusterSize: Int) throws -> [String:
    MeanSum]
}

extension VARTransformer: TokenModel {
  /// Scores of each scale given those before it.
  public func scoreSums(of data: TokenDataset, items: [(item: Int, view: Int)], clusterSize: Int) throws
    -> [String: MeanSum]
  {
    try score(
      data, items: items, clusters: GroupedItems(configuration.vocabularySize, inBlocksOf: clusterSize),
      batchSize: scoredBatch
    ).sums
  }
}

extension Transformer: TokenModel {
  /// Next-token scores.
  public func scoreSums(of data: TokenDataset, items: [(item: Int, view: Int)], clusterSize: Int) throws
    -> [String: MeanSum]
  {
    try score(
      data, items: items,
      clusters: GroupedItems(configuration.vocabularySize, inBlocksOf: clusterSize), batchSize: scoredBatch
    ).sums
  }
}

extension FineModel: TokenModel {
  /// Scores of the fine codes given their coarse labels; the loss and the ranks are among the codes of the label.
  public func scoreSums(of data: TokenDataset, items: [(item: Int, view: Int)], clusterSize: Int) throws
    -> [String: MeanSum]
  {
    try score(data, items: items, batchSize: scoredBatch).sums
  }

  /// The same, a batch at a time.
  /// - Parameter eachBatch: called after every batch.
  public func score(
    _ data: TokenDataset, items: [(item: Int, view: Int)], batchSize: Int = 16,
    eachBatch: () throws -> Void = {}
  ) rethrows -> TokenScores {
    var scores = TokenScores(clusters: nil)
    let device = store.device
    for first in stride(from: 0, to: items.count, by: batchSize) {
      let (labels, tokens) = data.batch(Array(items[first..<min(first + batchSize, items.count)]))
      let coarse = tokens.map { fineToCoarse[$0] }
      let hidden = hidden(Tape(device: device, isRecording: false), labels: labels, coarse: coarse).value
      forEachCluster(hidden, coarse: coarse, on: device) { positions, _, logits in
        // Every target is among the codes, because the label is that of the target.
        scores.add(logits, targets: positions.map { ranks[tokens[$0]] }[...], on: device)
      }
      try eachBatch()
    }
    return scores
  }
}
