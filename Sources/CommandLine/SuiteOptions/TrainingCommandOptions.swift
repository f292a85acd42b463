import ArgumentParser
import NeuralNet
import TensorCore
import ToolRuntime
import Training

extension LearningRateSchedule.Shape: ExpressibleByArgument {}
extension Optimizer.Rule: ExpressibleByArgument {}

/// The options of the training loop, for all training tools.
public struct TrainingCommandOptions: ParsableArguments {
  @Option(help: "Number of optimiser steps. (default: 1000)")
  public var steps: Int?

  @Option(
    help: ArgumentHelp(
      "Number of passes over the training images, such as 0.5 or 300, in place of --steps; rounded up to whole steps."
    ))
  public var epochs: Double?

  @Option(help: "Number of images per optimiser step, from 1 to 1048576.")
  public var batchSize = 64

  @Option(
    help: ArgumentHelp(
      "Number of parts of a batch, a power of two, that the ranks of mpirun or srun share; as many ranks at most. The result "
        + "depends on the leaves, not on the ranks."))
  public var leaves = 1

  @Option(
    help: ArgumentHelp(
      "adamw; or muon: the matrices of hidden layers are trained by Muon, whose momentum is 0.95, and all else by AdamW, with one "
        + "learning rate and one weight decay."
    ))
  public var optimizer = Optimizer.Rule.adamW

  @Option(help: "Peak learning rate, above 0.")
  public var learningRate = 1e-4

  @Option(help: "How the learning rate changes after the warm-up.")
  public var schedule = LearningRateSchedule.Shape.constant

  @Option(help: "Learning rate at the end of the schedule 'cosine'. (default: a tenth of the peak)")
  public var finalLearningRate: Double?

  @Option(help: "Number of steps in which the learning rate grows from 0 to its peak.")
  public var warmupSteps = 0

  @Option(help: "beta1, the decay of AdamW's first moment, from 0 to below 1.")
  public var beta1: Float = 0.9

  @Option(help: "beta2, the decay of AdamW's second moment, from 0 to below 1.")
  public var beta2: Float = 0.95

  @Option(help: "Decoupled weight decay, at least 0; only for matrices.")
  public var weightDecay: Float = 0.05

  @Option(help: "Largest norm of the whole gradient; 0 means no clipping.")
  public var clip: Float = 1

  @Option(
    help: "Decay per step of the moving average (EMA) that is saved; 0 saves the parameters themselves.")
  public var ema: Float = 0

  @Option(
    help: ArgumentHelp(
      "W: after n steps the average keeps min(--ema, (1 + n) / (W + n)) of itself; 1 keeps --ema from the start, "
        + "as LlamaGen does. (default: 10)", valueName: "w"))
  public var emaWarmup: Int?

  @Option(
    help: ArgumentHelp(
      "Number format of the operands of large products and convolutions; weights and sums stay "
        + "float32."))
  public var precision = Precision.float32

  /// The images that are only scored.
  @OptionGroup public var heldOut: HeldOutOptions

  @Option(help: "Number of steps between two scorings of the held-out images; 0 scores only at the end.")
  public var evaluateEvery = 500

  @Option(help: "Number of steps between two checkpoints; 0 writes one only when interrupted.")
  public var checkpointEvery = 500

  @Option(
    help: ArgumentHelp(
      "Checkpoint file. (default: the name of the output with .checkpoint added)", valueName: "file"))
  public var checkpoint: CheckpointPath?

  @Flag(help: "Continue from the checkpoint, if there is one; the result is that of an uninterrupted run.")
  public var resume = false

  @Flag(help: "Keep the checkpoint after the last step.")
  public var keepCheckpoint = false

  @Flag(
    help: ArgumentHelp(
      "Print the memory that the run needs at least and the time of a step, measured in up to five steps, and stop. "
        + "No output is written."))
  public var estimate = false

  /// The models that are saved on the way.
  @OptionGroup public var saving: SavingOptions

  public init() {}

  public func validate() throws {
    func need(_ holds: Bool, _ words: String) throws { if !holds { throw ValidationError(words) } }
    // Comparisons with NaN are false. Each condition therefore states what must hold, so that NaN is refused.
    func isFactor(_ value: Double) -> Bool { value >= 0 && value.isFinite }
    // The number of images seen in all epochs is counted in 64 bits: steps times batch size must fit.
    try need((1...Self.maximumSteps).contains(steps ?? 1), "--steps must be from 1 to 2^40.")
    try need(steps == nil || epochs == nil, "give one of --steps and --epochs.")
    try need(epochs.map { $0 > 0 && $0 <= 1e9 } ?? true, "--epochs must be above 0 and at most 1e9.")
    try need((1...1 << 20).contains(batchSize), "--batch-size must be from 1 to 1048576.")
    try need(
      (1...1 << 20).contains(leaves) && leaves & (leaves - 1) == 0 && batchSize % leaves == 0,
      "--leaves must be a power of two that divides --batch-size.")
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
    try need((1...1 << 30).contains(emaWarmup ?? 1), "--ema-warmup must be from 1 to 2^30.")
    try need(emaWarmup == nil || ema > 0, "--ema-warmup needs --ema.")
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

  /// Stops where the leaves cannot be shared out evenly.
  /// - Throws: `ToolError` (usage).
  public func requireLeaves(forRanks ranks: Int) throws {
    guard leaves % ranks != 0 else { return }
    let isPowerOfTwo = ranks & (ranks - 1) == 0
    throw isPowerOfTwo
      ? ToolError(
        .usage, "--leaves", expected: "at least the number of ranks, \(ranks)", found: "\(leaves)",
        try: "--leaves \(ranks)")
      : ToolError(
        .usage, "", expected: "1, 2, 4 or another power of two of ranks", found: "\(ranks)",
        try: "mpirun -n \(ranks.powerOfTwoBelow)")
  }

  /// Sums of gradients that wait for others, in sets of all parameters.
  public func waitingGradients(ranks: Int) -> Int { (leaves / ranks).trailingZeroBitCount }

  private static let maximumSteps = 1 << 40

  /// The number of steps.
  /// - Parameter images: those that are trained on, once each in an epoch.
  /// - Throws: `ToolError` (usage) for more than 2^40 steps.
  func stepCount(images: Int) throws -> Int {
    guard let epochs else { return steps ?? 1000 }
    let wanted = (epochs * Double(images) / Double(batchSize)).rounded(.up)
    guard wanted <= Double(Self.maximumSteps) else {
      throw ToolError(
        .usage, "--epochs \(epochs)",
        expected: "at most 2^40 steps",
        found: "\(wanted)",
        try: "fewer epochs")
    }
    return max(1, Int(wanted))
  }

  /// The loop's settings.
  /// - Parameter images: those that are trained on, once each in an epoch.
  /// - Throws: `ToolError` (usage) for more than 2^40 steps.
  public func options(images: Int) throws -> TrainingOptions {
    let steps = try stepCount(images: images)
    var constants = Optimizer.Options()
    constants.rule = optimizer == .adamW ? nil : optimizer
    (constants.beta1, constants.beta2, constants.weightDecay, constants.clip) = (
      beta1, beta2, weightDecay, clip
    )
    return TrainingOptions(
      steps: steps, leaves: leaves == 1 ? nil : leaves,
      schedule: LearningRateSchedule(
        shape: schedule, peak: learningRate, final: finalLearningRate ?? learningRate / 10,
        warmupSteps: warmupSteps, totalSteps: steps),
      optimizer: constants, averageDecay: ema, averageWarmup: emaWarmup, evaluateEvery: evaluateEvery,
      checkpointEvery: checkpointEvery)
  }
}

extension Int {
  /// The largest power of two that is not above this number, which is at least 1.
  fileprivate var powerOfTwoBelow: Int { 1 << (bitWidth - 1 - leadingZeroBitCount) }
}
