import ArgumentParser
import Autograd
import Communication
import Datasets
import ImageModels
import MessagePassing
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime
import Training
import VQGAN

extension ReconstructionLoss: ExpressibleByArgument {}

@main struct TrainTokenizer: Tool {
  static let toolName = "train-tokenizer"
  static let summary =
    "Trains a VQ autoencoder (LlamaGen's VQ-8 and VQ-16 at any width, VAR's of several scales, FSQ, LFQ) on images."
  static let usageExample =
    "train-tokenizer emoji --model CPU-4 --size 32 --steps 2000 --output tokenizer.tensors.zst"
  static var versionDetails: [String] { BuildInformation.lines + [Ranks.library] }
  static let savesWhenInterrupted = true
  static func joinRanks() throws -> any Communicator { try Ranks.join() }

  @OptionGroup var images: ImageOptions
  @Option(name: .shortAndLong, help: "Tokenizer file to write.") var output: OutputPath
  @OptionGroup(title: "Architecture") var sizes: TokenizerSizeOptions
  @OptionGroup(title: "Start") var start: InitialTokenizerOptions
  @OptionGroup(title: "Training") var training: TrainingCommandOptions
  @Option(help: "Reconstruction loss: the mean squared (l2) or absolute (l1) error.")
  var reconstruction = ReconstructionLoss.l2
  @OptionGroup(title: "Losses and codes of the quantizer") var quantizer: QuantizerLossOptions
  @OptionGroup(title: "Losses of images") var losses: ImageLossOptions
  @OptionGroup(title: "Common") var common: CommonOptions

  var unnamedFiles: [ClaimedFile] { training.checkpointFiles(besides: output) }

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output, isEstimate: training.estimate)
    if start.initial == nil, let configuration = sizes.configuration,
      let problem = configuration.problem ?? quantizer.problem(configuration)
    {
      throw ValidationError(problem + ".")
    }
    if start.initial == nil, let size = sizes.configuration?.imageSize,
      let problem = losses.problem(imageSize: size)
    {
      throw ValidationError(problem + ".")
    }
    if training.leaves > 1 && losses.adversarialStart != nil {
      throw ValidationError(
        "--leaves must be 1 with --adversarial-start: a discriminator is trained on whole batches.")
    }
    try InputPath.requireDistinct(images.images, start.initial, losses.perceptualNetwork)
    try start.validate(sizes, autoencoderSteps: quantizer.autoencoderSteps)
  }

  func execute(_ session: ToolSession) throws {
    try training.requireLeaves(forRanks: session.communicator.count)
    let device = session.device(training.precision)
    let first = try start.read(session, size: sizes.size, device: device)
    guard let configuration = first?.model.configuration ?? sizes.configuration else { return }
    // The quantiser of --initial is known only now.
    if let problem = quantizer.problem(configuration) {
      throw ToolError(
        .usage, "", expected: "a quantiser and sizes that fit together", found: problem, try: "other sizes")
    }
    let size = configuration.imageSize
    // The discriminator is made before the images are opened.
    if losses.adversarialStart != nil { try requireMemory(session, configuration) }
    let imageLosses = try losses.read(session, imageSize: size, device: device)
    let images = try images.open(session, size: size)
    try requireMemory(session, configuration, imageLosses)
    let usable = try session.requireReadable(images, skipUnreadable: self.images.skipUnreadable, on: device)
    let model = first?.model ?? Tokenizer(configuration, device: device, seed: session.seed)
    let split = try training.heldOut.share.split(
      listed: images.listing.entries.count, present: usable)
    let loop = try training.options(images: split.training.count)
    try losses.requireStart(steps: loop.steps)
    if quantizer.autoencoderSteps >= loop.steps {
      session.warn(
        "warning: --autoencoder-steps \(quantizer.autoencoderSteps) is not less than --steps \(loop.steps): the codes are never "
          + "trained")
    }
    let options = quantizer.options(
      configuration, batchSize: training.batchSize, reconstruction: reconstruction, steps: loop.steps,
      seed: session.seed, imageLosses: imageLosses?.options)
    let settings = TokenizerSettings(
      model: configuration, precision: device.precision,
      images: .init(content: try images.sha256(of: usable, on: device), reading: images.reading),
      heldOut: training.heldOut.share, task: options, initial: first?.start, training: loop)
    let task = try TokenizerTask(
      model, images: images, usable: usable, settings: settings, imageLosses: imageLosses)
    session.say(
      "\(model.store.scalarCount) parameters, \(task.counts.training) images of \(images.listing.classNames.count) classes, "
        + "\(task.counts.heldOut) held out"
    )
    if training.estimate, !losses.lateStarts.isEmpty {
      session.say(
        "\(losses.lateStarts.joined(separator: ", ")): steps from there on take longer than estimated")
    }
    let outcome = try session.train(task, training, output: output) { try model.record(values: $0) }
    session.sayScores(outcome)
    try session.report(
      outcome.summary(task).merging([
        "parameters": .integer(model.store.scalarCount),
        "images_per_second": .number(Double(outcome.steps * training.batchSize) / outcome.seconds),
      ]) { $1 })
  }

  private func requireMemory(
    _ session: ToolSession, _ configuration: TokenizerConfiguration, _ imageLosses: ImageLosses? = nil
  ) throws {
    let size = configuration.imageSize
    let discriminator =
      imageLosses.map { 4 * Double($0.discriminator?.store.scalarCount ?? 0) } ?? losses.patchesBytes
    try session.requireMemory(
      toTrain: configuration.parameterBytes + discriminator,
      copies: training.waitingGradients(ranks: session.communicator.count), by: training,
      bytesPerImage: configuration.trainingBytesPerImage(size: size)
        + (imageLosses?.trainingBytesPerImage(size: size) ?? 0), images: training.batchSize / training.leaves)
  }
}
