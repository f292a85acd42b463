import Autograd
import Datasets
import NeuralNet
import TensorCore

/// A linear classifier on frozen features, by MAE's protocol (He et al., 2022, appendix A.1; ST-AR, section
/// 3): batch norm without an affine part, one linear layer, softmax cross-entropy. The problem is convex and
/// starts at zero, so that only the order of the batches is random.
public final class LinearProbe {
  /// How the classifier is trained: AdamW, its rate falling to 0 by half a cosine.
  public struct Options: Sendable, Equatable, Codable {
    /// Passes over the training part.
    public var epochs: Int
    /// Images of a step.
    public var batchSize: Int
    /// Learning rate of the first step.
    public var learningRate: Double
    /// Decoupled decay of the weights.
    public var weightDecay: Float
    /// Seed of the order.
    public var seed: UInt64

    public init(
      epochs: Int = 90, batchSize: Int = 256, learningRate: Double = 1e-2, weightDecay: Float = 0,
      seed: UInt64 = 0
    ) {
      (self.epochs, self.batchSize, self.learningRate) = (epochs, batchSize, learningRate)
      (self.weightDecay, self.seed) = (weightDecay, seed)
    }

    /// Optimiser steps for a training part of `count` images.
    public func steps(for count: Int) -> Int { (epochs * count + batchSize - 1) / batchSize }
  }

  let weight: Variable
  let bias: Variable
  private let standardization: FeatureStandardization
  private let store: ParameterStore

  /// Trains on features [n, C] with a class each.
  /// - Throws: `EvaluationError.probeNotFinite` if the learning rate is too large.
  public init(_ features: Tensor, labels: [Int], classCount: Int, options: Options, device: Device) throws {
    precondition(
      features.rowCount == labels.count && labels.allSatisfy { (0..<classCount).contains($0) },
      "LinearProbe: features \(features.shape), \(labels.count) labels of \(classCount) classes")
    store = ParameterStore(device: device, seed: 0)
    weight = store.declare("weight", [classCount, features.lastDimension], .zeros)
    bias = store.declare("bias", [classCount], .zeros)
    standardization = FeatureStandardization(features)
    try train(standardization.apply(to: features, on: device), labels, options)
  }

  private func train(_ x: Tensor, _ labels: [Int], _ options: Options) throws {
    let steps = options.steps(for: labels.count)
    let schedule = LearningRateSchedule(shape: .cosine, peak: options.learningRate, totalSteps: steps)
    var constants = Optimizer.Options()
    (constants.beta2, constants.weightDecay, constants.clip) = (0.999, options.weightDecay, 0)
    let optimizer = Optimizer(store, options: constants)
    var order = DataOrder(items: Array(labels.indices), seed: options.seed)
    for step in 0..<steps {
      let rows = order.items(first: step * options.batchSize, count: options.batchSize, viewCount: 1).map(
        \.item)
      let tape = Tape(device: store.device)
      let result = tape.crossEntropy(logits(tape, gathered(rows, of: x)), targets: rows.map { labels[$0] })
      tape.backward(from: result.loss)
      let norm = optimizer.gradientNorm()
      guard result.tokenLoss.isFinite, norm.isFinite else {
        throw EvaluationError.probeNotFinite(step: step + 1, loss: result.tokenLoss)
      }
      optimizer.step(learningRate: Float(schedule.rate(at: step)), gradientNorm: norm)
    }
  }

  private func logits(_ tape: Tape, _ x: Tensor) -> Variable {
    tape.linear(Variable(x), weight: weight, bias: bias)
  }

  private func gathered(_ rows: [Int], of x: Tensor) -> Tensor {
    let c = x.lastDimension
    let batch = store.device.empty([rows.count, c])
    for (place, row) in rows.enumerated() {
      (batch.pointer + place * c).update(from: x.pointer + row * c, count: c)
    }
    return batch
  }

  /// Scores of the predicted classes of features [n, C]; n is at least 1.
  public func scores(_ features: Tensor, labels: [Int]) -> ProbeScores {
    let tape = Tape(device: store.device, isRecording: false)
    let logits = logits(tape, standardization.apply(to: features, on: store.device))
    let loss = tape.crossEntropy(logits, targets: labels).tokenLoss
    let k = weight.shape[0]
    let predictions = labels.indices.map { row in
      let values = UnsafeBufferPointer(start: logits.value.pointer + row * k, count: k)
      return values.indices.reduce(0) { values[$1] > values[$0] ? $1 : $0 }
    }
    return ProbeScores(predictions: predictions, labels: labels, loss: loss)
  }
}
