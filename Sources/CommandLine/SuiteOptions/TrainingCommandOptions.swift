import ArgumentParser
import NeuralNet
import TensorCore
import ToolRuntime
import Training

extension LearningRateSchedule.Shape: ExpressibleByArgument {}

/// The options of the training loop; shared by the training tools.
public struct TrainingCommandOptions: ParsableArguments {
  /// Optimiser steps.
  @Option(help: "Optimiser steps.")
  public var steps = 1000

  /// Images of a step.
  @Option(help: "Images of an optimiser step.")
  public var batchSize = 64

  /// Peak learning rate.
  @Option(help: "Peak learning rate.")
  public var learningRate = 1e-4

  /// Its course.
  @Option(help: "Course of the learning rate after the warm-up.")
  public var schedule = LearningRateSchedule.Shape.constant

  /// Where a cosine ends.
  @Option(help: "Learning rate at the last step of a cosine. (default: a tenth of the peak)")
  public var finalLearningRate: Double?

  /// Linear growth at the start.
  @Option(help: "Steps over which the learning rate grows from 0.")
  public var warmupSteps = 0

  /// AdamW's first decay.
  @Option(help: "Decay of AdamW's first moment.")
  public var beta1: Float = 0.9

  /// AdamW's second decay.
  @Option(help: "Decay of AdamW's second moment.")
  public var beta2: Float = 0.95

  /// Decoupled weight decay.
  @Option(help: "Weight decay of matrices.")
  public var weightDecay: Float = 0.05

  /// Largest gradient norm.
  @Option(help: "Largest norm of the gradient; 0 for no clipping.")
  public var clip: Float = 1

  /// Decay of the saved average.
  @Option(help: "Decay of the moving average that is saved; 0 saves the parameters themselves.")
  public var ema: Float = 0

  /// Format of large matrix products.
  @Option(help: "Format in which large matrix products read their operands; weights and sums stay float32.")
  public var precision = Precision.float32

  /// The images that are only scored.
  @OptionGroup public var heldOut: HeldOutOptions

  /// Steps between scorings.
  @Option(help: "Steps between two scorings of the held-out images; 0 scores at the end only.")
  public var evaluateEvery = 500

  /// Steps between checkpoints.
  @Option(help: "Steps between two checkpoints; 0 writes one only when interrupted.")
  public var checkpointEvery = 500

  /// The checkpoint's place.
  @Option(
    help: ArgumentHelp("Checkpoint file. (default: the output with .checkpoint added)", valueName: "file"))
  public var checkpoint: CheckpointPath?

  /// Go on from the checkpoint.
  @Flag(help: "Go on from the checkpoint if there is one; the outcome is the uninterrupted run's.")
  public var resume = false

  /// Keep it.
  @Flag(help: "Keep the checkpoint after the last step.")
  public var keepCheckpoint = false

  /// The defaults.
  public init() {}

  /// Checks ranges.
  public func validate() throws {
    func need(_ holds: Bool, _ words: String) throws { if !holds { throw ValidationError(words) } }
    // Not a number compares as false, so that each condition must say what holds and not what does not.
    func isFactor(_ value: Double) -> Bool { value >= 0 && value.isFinite }
    // Places in the endless sequence of epochs are counted in 64 bits: steps times images must fit.
    try need((1...1 << 40).contains(steps), "--steps must be from 1 to 2^40.")
    try need((1...1 << 20).contains(batchSize), "--batch-size must be from 1 to 1048576.")
    try need(learningRate > 0 && learningRate.isFinite, "--learning-rate must be above 0.")
    try need(isFactor(finalLearningRate ?? 0), "--final-learning-rate must not be negative nor infinite.")
    try need(
      warmupSteps >= 0 && evaluateEvery >= 0 && checkpointEvery >= 0,
      "--warmup-steps, --evaluate-every and --checkpoint-every must not be negative.")
    try need(
      (0..<1).contains(beta1) && (0..<1).contains(beta2), "--beta1 and --beta2 must be from 0 to below 1.")
    try need(
      isFactor(Double(weightDecay)) && isFactor(Double(clip)),
      "--weight-decay and --clip must not be negative nor infinite.")
    try need((0..<1).contains(ema), "--ema must be from 0 to below 1.")
  }

  /// The checkpoint's place: its own, or beside the output; nil for one that would lie beside standard output.
  public func checkpointPath(besides output: OutputPath) -> String? {
    checkpoint?.path ?? (output.isStandardOutput ? nil : output.path + ".checkpoint")
  }

  /// The checkpoint, for ``Tool/unnamedFiles``.
  public func checkpointFiles(besides output: OutputPath) -> [ClaimedFile] {
    checkpointPath(besides: output).map { [ClaimedFile(name: "--checkpoint", path: $0, role: .checkpoint)] }
      ?? []
  }

  /// The loop's settings.
  public var options: TrainingOptions {
    var optimizer = AdamW.Options()
    (optimizer.beta1, optimizer.beta2, optimizer.weightDecay, optimizer.clip) = (
      beta1, beta2, weightDecay, clip
    )
    return TrainingOptions(
      steps: steps,
      schedule: LearningRateSchedule(
        shape: schedule, peak: learningRate, final: finalLearningRate ?? learningRate / 10,
        warmupSteps: warmupSteps, totalSteps: steps),
      optimizer: optimizer, averageDecay: ema, evaluateEvery: evaluateEvery, checkpointEvery: checkpointEvery)
  }
}
