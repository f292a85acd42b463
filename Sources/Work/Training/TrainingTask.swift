import Autograd
import Communication
import NeuralNet
import StreamFormat
import TensorCore

/// What differs between the training tools: how a step's gradients come about and what is scored. The loop,
/// the optimiser, the averages, checkpoints and logs are the same for all.
public protocol TrainingTask: AnyObject {
  /// Everything that was set.
  var settings: any ExperimentSettings { get }
  /// Images of an optimiser step.
  var imagesPerStep: Int { get }
  /// Images that are trained on, once each in an epoch.
  var trainingCount: Int { get }
  /// Views of each image that a step sees.
  var viewsPerImage: Int { get }
  /// The parameters that are trained.
  var store: ParameterStore { get }
  /// The parameters of a discriminator, which is trained against the model by an optimiser of its own; nil where there
  /// is none.
  var discriminator: ParameterStore? { get }
  /// The discriminator's peak learning rate, which has the schedule of the model's; nil where it is the model's.
  var discriminatorLearningRate: Double? { get }
  /// Called before the leaves of step `step` (from 0).
  func startStep(_ step: Int) throws
  /// Runs a leaf of a step forward and backward. Its share of the gradient of the batch's mean loss is added to what is in
  /// the store, and in the discriminator's.
  /// - Parameters:
  ///   - leaf: its number in the batch, from 0.
  ///   - watch: who wants to know when the gradients of this leaf are complete.
  /// - Returns: values to log, means over the leaf; `loss` is one of them.
  func accumulateGradients(step: Int, leaf: Int, watch: GradientWatch?) throws -> [String: Double]
  /// Called after the last leaf of this rank, to put together what the leaves of all ranks have found.
  /// - Returns: values to log of the whole batch.
  func joinLeaves(step: Int, over communicator: any Communicator) -> [String: Double]
  /// Called after the step of the optimiser.
  func finishStep(_ step: Int, optimizer: Optimizer)
  /// Scores the held-out items with the current parameters, each rank its share of them. Empty if nothing is held out.
  func evaluate(over communicator: any Communicator) throws -> [String: Double]
  /// State beyond parameters and optimiser, for checkpoints. Names start with `task.`.
  var state: [StoredTensor] { get }
  /// Restores that state.
  func restore(_ record: Record) throws
}

extension TrainingTask {
  public var viewsPerImage: Int { 1 }
  public var discriminator: ParameterStore? { nil }
  public var discriminatorLearningRate: Double? { nil }

  /// What a run has seen after `step` steps. An image counts each time that it is seen.
  public func seen(after step: Int) -> [String: Int] {
    let images = step * imagesPerStep
    return ["images_seen": images, "views_seen": images * viewsPerImage]
  }

  /// A leaf whose gradients nobody waits for.
  public func accumulateGradients(step: Int, leaf: Int) throws -> [String: Double] {
    try accumulateGradients(step: step, leaf: leaf, watch: nil)
  }

  public func startStep(_ step: Int) throws {}
  public func joinLeaves(step: Int, over communicator: any Communicator) -> [String: Double] { [:] }
  public func finishStep(_ step: Int, optimizer: Optimizer) {}
  public var state: [StoredTensor] { [] }
  public func restore(_ record: Record) throws {}
}

/// The settings of the loop.
public struct TrainingOptions: Sendable, Equatable, Codable {
  /// Optimiser steps in all.
  public var steps: Int
  /// Parts of a batch whose gradients are computed apart and summed as a binary tree, a power of two. Nil stands for 1.
  public var leaves: Int?
  public var schedule: LearningRateSchedule
  public var optimizer: Optimizer.Options
  /// Decay of the average that is saved in place of the parameters; 0 saves the parameters.
  public var averageDecay: Float
  /// W: after n steps the average keeps min(decay, (1 + n) / (W + n)) of itself; 1 keeps the decay from the start. Nil
  /// stands for 10.
  public var averageWarmup: Int?
  /// Steps between two scorings of the held-out items; the last step is always scored.
  public var evaluateEvery: Int
  /// Steps between two checkpoints; 0 for none.
  public var checkpointEvery: Int

  /// The number of leaves.
  public var leafCount: Int { leaves ?? 1 }

  /// The same without the settings of scoring and saving, in which a resumed run may differ.
  var withoutObservation: TrainingOptions {
    var options = self
    (options.evaluateEvery, options.checkpointEvery) = (0, 0)
    return options
  }

  public init(
    steps: Int, leaves: Int? = nil, schedule: LearningRateSchedule, optimizer: Optimizer.Options,
    averageDecay: Float,
    averageWarmup: Int? = nil, evaluateEvery: Int, checkpointEvery: Int
  ) {
    (self.steps, self.schedule, self.optimizer) = (steps, schedule, optimizer)
    (self.leaves, self.averageWarmup) = (leaves, averageWarmup)
    (self.averageDecay, self.evaluateEvery, self.checkpointEvery) = (
      averageDecay, evaluateEvery, checkpointEvery
    )
  }
}

/// The functions that the loop calls; the tool connects them to files and terminals.
public struct TrainingEvents {
  /// Called with every checkpoint.
  public var saveCheckpoint: (Record) throws -> Void
  /// The steps after which ``saveModel`` is called.
  public var savedSteps: SavedSteps
  /// Called with the values that a run which ended here would save: the moving average, or the parameters.
  public var saveModel: (_ step: Int, _ values: [Tensor]) throws -> Void
  /// Called with the values of every step, and of every scoring (their names start with `held_out_`).
  public var log: (_ step: Int, _ values: [String: Double]) throws -> Void
  /// Called between steps; if true, the loop saves a checkpoint and stops.
  public var isInterrupted: () -> Bool

  public init(
    saveCheckpoint: @escaping (Record) throws -> Void, savedSteps: SavedSteps = SavedSteps(),
    saveModel: @escaping (_ step: Int, _ values: [Tensor]) throws -> Void = { _, _ in },
    log: @escaping (Int, [String: Double]) throws -> Void, isInterrupted: @escaping () -> Bool
  ) {
    (self.saveCheckpoint, self.savedSteps, self.saveModel) = (saveCheckpoint, savedSteps, saveModel)
    (self.log, self.isInterrupted) = (log, isInterrupted)
  }
}
