import Communication
import NeuralNet
import StreamFormat
import TensorCore

/// The training loop of all tools: schedule, clipping, AdamW, moving average, scoring, checkpoints. All
/// random numbers depend only on the seed and the step, so that a resumed run equals an uninterrupted one bit
/// for bit.
public final class TrainingLoop {
  let task: any TrainingTask
  let options: TrainingOptions
  let events: TrainingEvents
  /// The ranks that share the leaves of each batch. All of them take the same steps.
  let communicator: any Communicator
  /// Seconds since some moment.
  let clock: @Sendable () -> Double
  /// What the ranks' sums have taken so far.
  public internal(set) var communication = CommunicationCost()
  let optimizer: Optimizer
  /// Of the discriminator, where there is one. It counts the steps before the discriminator's start too, as LlamaGen does.
  let discriminatorOptimizer: Optimizer?
  let average: MovingAverage?
  /// The checkpoint that is not written yet. It must not take the last one's place before the following step has
  /// shown that loss and gradient are still finite.
  var pending: Record?
  var lastCheckpoint: Int?

  /// A loop over the steps that the task's settings ask for.
  /// - Parameter clock: seconds since some moment, to measure what communication takes.
  /// - Precondition: the number of ranks divides that of leaves.
  public init(
    _ task: any TrainingTask, events: TrainingEvents, communicator: any Communicator = SingleProcess(),
    clock: @escaping @Sendable () -> Double = { 0 }
  ) {
    (self.task, self.options, self.events) = (task, task.settings.training, events)
    (self.communicator, self.clock) = (communicator, clock)
    precondition(
      options.leafCount % communicator.count == 0,
      "TrainingLoop: \(options.leafCount) leaves for \(communicator.count) ranks")
    optimizer = Optimizer(task.store, options: options.optimizer)
    discriminatorOptimizer = task.discriminator.map { [options] in
      Optimizer($0, options: options.optimizer.withoutDecay)
    }
    average = options.averageDecay > 0 ? MovingAverage(task.store, decay: options.averageDecay) : nil
  }

  /// Trains to the last step.
  /// - Parameter checkpoint: the checkpoint to continue from.
  /// - Returns: the last scoring, and the values to save: the moving average, or the parameters.
  /// - Throws: `TrainingError`, and what the task and the events throw.
  public func run(from checkpoint: Record? = nil) throws -> (scores: [String: Double], values: [Tensor]) {
    if let checkpoint { try restore(checkpoint) }
    try requireEqualRanks()
    var scores: [String: Double] = [:]
    if optimizer.stepCount == options.steps { scores = try evaluate() }
    while optimizer.stepCount < options.steps {
      try step()
      let done = optimizer.stepCount
      let isSaved = events.savedSteps.contains(done)
      if done == options.steps || isSaved { try requireFiniteParameters() }
      if done == options.steps || (options.evaluateEvery > 0 && done % options.evaluateEvery == 0) {
        scores = try evaluate()
        if done == options.steps { try requireFinite(heldOutLoss: scores["held_out_loss"]) }
        if !scores.isEmpty { try events.log(done, scores) }
      }
      // Before the checkpoint: a run that goes on from it has all models up to its step.
      if isSaved { try events.saveModel(done, values) }
      let interrupted = communicator.isTrueAnywhere(events.isInterrupted()) && done < options.steps
      if interrupted || (options.checkpointEvery > 0 && done % options.checkpointEvery == 0) {
        if communicator.isFirst { pending = try snapshot() }
      }
      if interrupted || done == options.steps { try savePending() }
      // A rank that ends before the first one has saved would end it too.
      if interrupted { communicator.wait() }
      if interrupted { throw TrainingError.interrupted(step: done) }
    }
    return (scores, values)
  }

  /// What is saved: the moving average, or the parameters.
  private var values: [Tensor] { average?.values ?? task.store.parameters.map { $0.variable.value } }

  private func step() throws {
    let step = optimizer.stepCount
    var values = try batchGradients(step: step)
    let norm = optimizer.gradientNorm()
    let opposing = discriminatorOptimizer?.gradientNorm() ?? 0
    guard let loss = values["loss"], loss.isFinite, norm.isFinite, opposing.isFinite else {
      throw TrainingError.notFinite(
        step: step + 1, loss: values["loss"] ?? .nan, gradientNorm: norm.isFinite ? opposing : norm,
        lastCheckpoint: lastCheckpoint)
    }
    try savePending()
    let rate = options.schedule.rate(at: step)
    optimizer.step(learningRate: Float(rate), gradientNorm: norm)
    let ratio = task.discriminatorLearningRate.map { $0 / options.schedule.peak } ?? 1
    discriminatorOptimizer?.step(learningRate: Float(rate * ratio), gradientNorm: opposing)
    task.finishStep(step, optimizer: optimizer)
    average?.update(decay: average.map { warmedUp($0.decay) })
    values["gradient_norm"] = norm
    if opposing > 0 { values["discriminator_gradient_norm"] = opposing }
    values["learning_rate"] = rate
    try events.log(step + 1, values)
  }

  /// No further step checks the result of the last one.
  private func requireFiniteParameters() throws {
    guard task.store.parameters.allSatisfy(\.variable.value.isFinite) else {
      throw TrainingError.notFinite(
        step: optimizer.stepCount, loss: .nan, gradientNorm: .nan, lastCheckpoint: lastCheckpoint)
    }
  }

  private func requireFinite(heldOutLoss loss: Double?) throws {
    guard let loss, !loss.isFinite else { return }
    throw TrainingError.notFinite(
      step: optimizer.stepCount, loss: loss, gradientNorm: .nan, lastCheckpoint: lastCheckpoint)
  }

  /// The decay grows with the steps, because a long average would at first consist mostly of the random
  /// start.
  private func warmedUp(_ decay: Float) -> Float {
    let warmup = options.averageWarmup ?? 10
    return min(decay, Float(1 + optimizer.stepCount) / Float(warmup + optimizer.stepCount))
  }

  /// Scores the values that would be saved: the average, if there is one.
  private func evaluate() throws -> [String: Double] {
    guard let average else { return try task.evaluate(over: communicator) }
    let parameters = task.store.parameters.map { $0.variable.value }
    let kept = parameters.map { task.store.device.copy($0) }
    for (value, mean) in zip(parameters, average.values) { value.copyElements(from: mean) }
    defer { for (value, old) in zip(parameters, kept) { value.copyElements(from: old) } }
    return try task.evaluate(over: communicator)
  }
}
