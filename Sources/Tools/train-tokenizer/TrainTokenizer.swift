import ArgumentParser
import Autograd
import Datasets
import ImageModels
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime
import Training

extension ReconstructionLoss: ExpressibleByArgument {}

@main struct TrainTokenizer: Tool {
  static let toolName = "train-tokenizer"
  static let summary = "Trains a VQ autoencoder (LlamaGen's VQ-8 and VQ-16, at any width) on images."
  static let usageExample =
    "train-tokenizer emoji --model CPU-4 --size 32 --steps 2000 --output tokenizer.tensors.zst"
  static var versionDetails: [String] { BuildInformation.lines }
  static let savesWhenInterrupted = true

  @OptionGroup var images: ImageOptions
  @Option(name: .shortAndLong, help: "Tokenizer file to write.") var output: OutputPath
  @OptionGroup(title: "Architecture") var sizes: TokenizerSizeOptions
  @OptionGroup(title: "Training") var training: TrainingCommandOptions
  @Option(help: "Distance of reconstructions.") var reconstruction = ReconstructionLoss.l2
  @Option(help: "beta, the weight of the commitment loss.") var commitment: Float = 0.25
  @Option(help: "Steps without a quantiser at the start; then k-means over latents places the codes.")
  var autoencoderSteps = 0
  @Option(help: "A code used less than this share of the mean use is placed on a latent again.")
  var deadCodeThreshold = 0.1
  @Option(help: "Steps between two looks for such codes; 0 for none.") var deadCodeInterval = 100
  @Option(help: "Share of the steps after which codes are left alone.") var deadCodeEnd = 0.8
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output)
    if let problem = sizes.configuration?.problem { throw ValidationError(problem + ".") }
    if autoencoderSteps < 0 || deadCodeInterval < 0 {
      throw ValidationError("--autoencoder-steps and --dead-code-interval must not be negative.")
    }
    let factors = [Double(commitment), deadCodeThreshold]
    if factors.contains(where: { !($0 >= 0 && $0.isFinite) }) {
      throw ValidationError("--commitment and --dead-code-threshold must not be negative nor infinite.")
    }
    if !(0...1).contains(deadCodeEnd) { throw ValidationError("--dead-code-end must be from 0 to 1.") }
  }

  func execute(_ session: ToolSession) throws {
    guard let configuration = sizes.configuration else { return }
    let device = session.device(training.precision)
    let images = try images.open(session, size: configuration.imageSize)
    let usable = try session.requireReadable(images, skipUnreadable: self.images.skipUnreadable, on: device)
    let split = try HeldOutSplit(
      listed: images.listing.entries.count, present: usable, fraction: training.heldOut,
      seed: training.splitSeed
    ).mapped { usable[$0] }
    let model = Tokenizer(configuration, device: device, seed: session.seed)
    session.say(
      "\(model.store.scalarCount) parameters, \(split.training.count) images, \(split.heldOut.count) held out"
    )
    let options = TokenizerTask.Options(
      batchSize: training.batchSize, reconstruction: reconstruction, commitment: commitment,
      warmupSteps: autoencoderSteps, deadCodeThreshold: deadCodeThreshold, deadCodeInterval: deadCodeInterval,
      deadCodeEnd: Int(Double(training.steps) * deadCodeEnd), seed: session.seed)
    let task = TokenizerTask(model, images: images, split: split, options: options)
    let settings = [
      "config": try sortedJSON(configuration), "precision": device.precision.rawValue,
      "task": try sortedJSON(options),
      "images": images.listing.fingerprint, "views": "\(images.plan)",
    ]
    let outcome = try session.train(task, training, settings: settings, output: output)
    try session.write(try model.record(values: outcome.values), to: output)
    try session.finishTraining(training, output: output)
    try session.report(
      outcome.scores.mapValues { .number($0) }.merging([
        "parameters": .integer(model.store.scalarCount), "steps": .integer(outcome.steps),
        "seconds": .number(outcome.seconds),
        "images_per_second": .number(Double(outcome.steps * training.batchSize) / outcome.seconds),
      ]) { $1 })
  }
}
