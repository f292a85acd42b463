import Autograd
import CTF
import Communication
import Datasets
import Evaluation
import IAR
import ImageModels
import NeuralNet
import STAR
import StreamFormat
import TensorCore
import VAR

/// Training a transformer on tokens: LlamaGen's baseline, IAR with the cluster loss, both stages of CTF,
/// autoregressive models with self-guidance, and VAR's, which predict scale by scale.
public final class TransformerTask: TrainingTask {
  /// The options of the task.
  public struct Options: Sendable, Equatable, Codable {
    /// Images of an optimiser step.
    public var batchSize: Int
    /// Number of parts of a leaf, computed one after another to save memory; their gradients are summed.
    public var accumulation: Int
    /// Rate of dropout inside the network; of whole branches of the last block in a model of several scales.
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
  /// Everything that was set.
  public let settings: any ExperimentSettings
  private let options: Options
  private let guidance: SelfGuidance?
  private var order: DataOrder

  /// Training of an autoregressive model. With self-guidance in the settings, the data has at least two views.
  /// - Throws: `DatasetError.tooFewItems` when nothing is left to train on.
  public convenience init(_ model: Transformer, data: TokenDataset, settings: TransformerSettings) throws {
    Self.requireSettings(model.configuration == settings.model, model.store, settings.precision)
    let guidance = settings.selfGuidance.map { SelfGuidance(model, options: $0, seed: settings.task.seed) }
    try self.init(model, data, settings, settings.heldOut, settings.task, guidance)
  }

  /// Training of a model that predicts scale by scale.
  /// - Throws: `DatasetError.tooFewItems` when nothing is left to train on.
  public convenience init(_ model: VARTransformer, data: TokenDataset, settings: VARSettings) throws {
    Self.requireSettings(model.configuration == settings.model, model.store, settings.precision)
    try self.init(model, data, settings, settings.heldOut, settings.task, nil)
  }

  /// Training of the second stage of coarse-to-fine prediction.
  /// - Throws: `DatasetError.tooFewItems` when nothing is left to train on.
  public convenience init(_ model: FineModel, data: TokenDataset, settings: TransformerSettings) throws {
    Self.requireSettings(model.configuration == settings.model, model.store, settings.precision)
    try self.init(model, data, settings, settings.heldOut, settings.task, nil)
  }

  private static func requireSettings(_ isModelOfThem: Bool, _ store: ParameterStore, _ precision: Precision)
  {
    precondition(
      isModelOfThem && store.device.precision == precision, "TransformerTask: a model of other settings")
  }

  private init(
    _ model: any TokenModel, _ data: TokenDataset, _ settings: any ExperimentSettings,
    _ heldOut: HeldOutShare,
    _ options: Options, _ guidance: SelfGuidance?
  ) throws {
    (self.model, self.data, self.guidance) = (model, data, guidance)
    (self.settings, self.options) = (settings, options)
    split = try heldOut.split(data)
    order = DataOrder(items: split.training, seed: options.seed)
  }

  /// How many images are trained on, and how many are scored only.
  public var counts: (training: Int, heldOut: Int) { (split.training.count, split.heldOut.count) }

  /// Images of an optimiser step.
  public var imagesPerStep: Int { options.batchSize }

  /// Images that are trained on.
  public var trainingCount: Int { split.training.count }

  /// Two with self-guidance.
  public var viewsPerImage: Int { guidance == nil ? 1 : SelfGuidance.viewCount }

  /// The model's parameters; with self-guidance, what it trains besides comes after them.
  public var store: ParameterStore { guidance?.store ?? model.store }

  /// One leaf, in `accumulation` parts.
  public func accumulateGradients(step: Int, leaf: Int, watch: GradientWatch?) -> [String: Double] {
    let loss: any RowLoss =
      options.clusterSize > 0
      ? ClusterLoss(
        labelSmoothing: options.labelSmoothing, clusterSize: options.clusterSize,
        clusterWeight: options.clusterWeight)
      : TokenLoss(labelSmoothing: options.labelSmoothing)
    // Parts are numbered over the whole batch: the numbers decide what is dropped.
    let parts = options.accumulation * settings.training.leafCount
    let size = options.batchSize / parts
    var values: [String: Double] = [:]
    let ownParts = leaf * options.accumulation..<(leaf + 1) * options.accumulation
    for part in ownParts {
      let first = step * options.batchSize + part * size
      let plan = DropoutPlan(
        rate: options.dropout, classRate: options.classDropout, seed: options.seed, step: step * parts + part)
      let tape = Tape(device: store.device)
      let result =
        guidance.map { guidedLoss(tape, $0, first: first, count: size, step: step, loss, plan) }
        ?? plainLoss(tape, first: first, count: size, loss, plan)
      let isLast = part == ownParts.upperBound - 1
      tape.backward(from: result.loss, scale: 1 / Float(parts), watch: isLast ? watch : nil)
      for (name, value) in result.values { values[name, default: 0] += value / Double(options.accumulation) }
    }
    return values
  }

  private func plainLoss(
    _ tape: Tape, first: Int, count: Int, _ loss: any RowLoss, _ plan: DropoutPlan
  ) -> (loss: Variable, values: [String: Double]) {
    let (labels, tokens) = data.batch(
      order.items(first: first, count: count, viewCount: data.header.viewCount))
    let result = model.loss(tape, labels: labels, tokens: tokens, loss, dropout: plan)
    var values = ["loss": Double(result.loss.value.scalar), "token_loss": result.tokenLoss]
    if let term = loss.additionalTerm { values[term.name] = result.additionalLoss }
    return (result.loss, values)
  }

  private func guidedLoss(
    _ tape: Tape, _ guidance: SelfGuidance, first: Int, count: Int, step: Int, _ loss: any RowLoss,
    _ plan: DropoutPlan
  ) -> (loss: Variable, values: [String: Double]) {
    let (labels, tokens) = data.batch(
      order.pairs(first: first, count: count, viewCount: data.header.viewCount))
    let batch = SelfGuidance.Batch(labels: labels, tokens: tokens, firstPlace: first, step: step)
    return guidance.loss(tape, batch, loss, dropout: plan)
  }

  /// Updates the teacher, if there is one.
  public func finishStep(_ step: Int, optimizer: Optimizer) { guidance?.finishStep(optimizer: optimizer) }

  /// The teacher, if there is one.
  public var state: [StoredTensor] { guidance?.state ?? [] }

  /// Restores the teacher.
  public func restore(_ record: Record) throws { try guidance?.restore(record) }

  /// Loss and accuracies on the held-out images, centre view.
  public func evaluate(over communicator: any Communicator) throws -> [String: Double] {
    let items = split.heldOut[communicator.share(of: split.heldOut.count, batchSize: scoredBatch)]
    let sums = try model.scoreSums(
      of: data, items: items.map { ($0, data.header.centerView) }, clusterSize: options.clusterSize)
    return Dictionary(
      uniqueKeysWithValues: means(of: communicator.sum(sums)).map { ("held_out_" + $0.key, $0.value) })
  }
}
