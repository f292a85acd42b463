import Autograd
import ImageModels
import NeuralNet

/// Training a transformer on tokens: LlamaGen's baseline, IAR with the cluster loss, and both stages of CTF.
public final class TransformerTask: TrainingTask {
  /// What is set by the user.
  public struct Options: Sendable, Equatable, Codable {
    /// Images of an optimiser step.
    public var batchSize: Int
    /// Parts a batch is cut into to save memory; gradients are summed over them.
    public var accumulation: Int
    /// Rate of dropout inside the network.
    public var dropout: Float
    /// Rate at which class labels are dropped.
    public var classDropout: Float
    /// Weight of the uniform distribution in the target.
    public var labelSmoothing: Float
    /// Codes in a cluster; 0 for no cluster loss.
    public var clusterSize: Int
    /// lambda.
    public var clusterWeight: Float
    /// Seed of order, views and dropout.
    public var seed: UInt64

    /// The settings of a run.
    public init(
      batchSize: Int, accumulation: Int = 1, dropout: Float, classDropout: Float, labelSmoothing: Float = 0,
      clusterSize: Int = 0, clusterWeight: Float = 1, seed: UInt64
    ) {
      (self.batchSize, self.accumulation, self.dropout) = (batchSize, accumulation, dropout)
      (self.classDropout, self.labelSmoothing, self.seed) = (classDropout, labelSmoothing, seed)
      (self.clusterSize, self.clusterWeight) = (clusterSize, clusterWeight)
    }
  }

  private let model: any TokenModel
  private let data: TokenDataset
  private let split: HeldOutSplit
  private let options: Options
  private var order: DataOrder

  /// A task over the training part of `split`, scored on its held-out part.
  public init(_ model: any TokenModel, data: TokenDataset, split: HeldOutSplit, options: Options) {
    (self.model, self.data, self.split, self.options) = (model, data, split, options)
    order = DataOrder(items: split.training, seed: options.seed)
  }

  /// The model's parameters.
  public var store: ParameterStore { model.store }

  /// One batch, in `accumulation` parts.
  public func accumulateGradients(step: Int) -> [String: Double] {
    let losses = CrossEntropyOptions(
      labelSmoothing: options.labelSmoothing, clusterSize: options.clusterSize,
      clusterWeight: options.clusterWeight)
    let parts = options.accumulation
    var (token, cluster, total) = (0.0, 0.0, 0.0)
    for part in 0..<parts {
      let size = options.batchSize / parts
      let (labels, tokens) = data.batch(
        order.items(
          first: step * options.batchSize + part * size, count: size, viewCount: data.header.viewCount))
      let plan = DropoutPlan(
        rate: options.dropout, classRate: options.classDropout, seed: options.seed, step: step * parts + part)
      let tape = Tape(device: store.device)
      let result = model.loss(tape, labels: labels, tokens: tokens, losses, dropout: plan)
      tape.backward(from: result.loss, scale: 1 / Float(parts))
      token += result.tokenLoss / Double(parts)
      cluster += result.clusterLoss / Double(parts)
      total += Double(result.loss.value.scalar) / Double(parts)
    }
    var values = ["loss": total, "token_loss": token]
    if options.clusterSize > 0 { values["cluster_loss"] = cluster }
    return values
  }

  /// Loss and accuracies on the held-out images, first view.
  public func evaluate() throws -> [String: Double] {
    let scores = try model.scores(
      of: data, items: split.heldOut.map { ($0, 0) }, clusterSize: options.clusterSize)
    return Dictionary(uniqueKeysWithValues: scores.means.map { ("held_out_" + $0.key, $0.value) })
  }
}
