import ArgumentParser
import Communication
import Datasets
import ImageModels
import MessagePassing
import STAR
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime
import Training

@main struct TrainAR: Tool {
  static let toolName = "train-ar"
  static let summary =
    "Trains an autoregressive transformer on tokens: LlamaGen's baseline, IAR, ST-AR, or VAR."
  static let usageExample =
    "train-ar rearranged.tokens.zst --model CPU-small --cluster-size 32 --steps 2000 --output iar.tensors.zst"
  static var versionDetails: [String] { BuildInformation.lines + [Ranks.library] }
  static let savesWhenInterrupted = true
  static func joinRanks() throws -> any Communicator { try Ranks.join() }

  @Argument(help: "Token file, or '-' for standard input.") var tokens: InputPath
  @Option(name: .shortAndLong, help: "Model file to write.") var output: OutputPath
  @OptionGroup(title: "Architecture") var sizes: TransformerSizeOptions
  @OptionGroup(title: "Start") var start: InitialOptions
  @OptionGroup(title: "Training") var training: TrainingCommandOptions
  @OptionGroup(title: "Training on tokens") var tokenTraining: TokenTrainingOptions
  @Option(
    help: ArgumentHelp(
      "Number of codes per cluster of the rearranged codebook (m in the paper). A number above 0 adds IAR's cluster "
        + "loss; 0 leaves it out."))
  var clusterSize = 0
  @Option(help: "lambda, the weight of the cluster loss, at least 0.") var clusterWeight: Float = 1
  @OptionGroup(title: "Several scales (VAR)") var scales: ScaleOptions
  @OptionGroup(title: "Self-guided training") var selfGuided: SelfGuidedOptions
  @OptionGroup(title: "Common") var common: CommonOptions

  var unnamedFiles: [ClaimedFile] { training.checkpointFiles(besides: output) }

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output, isEstimate: training.estimate)
    try InputPath.requireDistinct(tokens, scales.tokenizer)
    if clusterSize < 0 || !(clusterWeight >= 0 && clusterWeight.isFinite) {
      throw ValidationError("--cluster-size and --cluster-weight must not be negative nor infinite.")
    }
    try InputPath.requireDistinct(tokens, start.initial)
    try start.check(sizes)
    try tokenTraining.requireParts(of: training.batchSize, leaves: training.leaves)
    try selfGuided.validate(
      batchSize: training.batchSize, parts: tokenTraining.gradientAccumulation * training.leaves,
      layers: start.initial == nil ? sizes.layerCount : nil)
  }

  func execute(_ session: ToolSession) throws {
    try training.requireLeaves(forRanks: session.communicator.count)
    let device = session.device(training.precision)
    let data = try TokenDataset(session.openTokens(tokens))
    if data.header.layout != .raster { return try trainScales(data, device, session) }
    if scales.isGiven {
      throw ToolError(
        .usage, tokens.path,
        expected: "tokens of several scales, for --tokenizer, --drop-path and --shared-conditioning",
        found: "\(data.header.layout)", try: "without these options")
    }
    let first = try readInitial(session, device, data.header)
    let configuration =
      try first.map { try sizes.configuration(of: $0.model.configuration, for: data.header) }
      ?? sizes.configuration(for: data.header)
    try requireClusters(of: data.header)
    let guiding = try selfGuided.options(for: configuration, data.header, file: tokens.path)
    var options = tokenTraining.options(batchSize: training.batchSize, seed: session.seed)
    (options.clusterSize, options.clusterWeight) = (clusterSize, clusterWeight)
    try session.requireMemory(
      toTrain: configuration.parameterBytes, trained: configuration.trainedBytes(frozen: start.frozen),
      copies: (guiding == nil ? 0 : 1) + training.waitingGradients(ranks: session.communicator.count),
      by: training,
      bytesPerImage: configuration.trainingBytesPerImage(device.precision, frozen: start.frozen)
        * Double(guiding == nil ? 1 : SelfGuidance.viewCount),
      images: training.batchSize / (tokenTraining.gradientAccumulation * training.leaves))
    let model = Transformer(configuration, device: device, seed: session.seed)
    let initial = try first.map {
      try start.start(
        model, from: $0.model,
        own: ClassList(names: data.header.classNames, count: configuration.classCount, file: tokens.path),
        classes: $0.classes, session)
    }
    let settings = TransformerSettings(
      model: configuration, precision: device.precision, data: .init(tokens: data),
      heldOut: training.heldOut.share,
      task: options, selfGuidance: guiding, initial: initial,
      training: try training.options(images: training.heldOut.share.split(data).training.count))
    let task = try TransformerTask(model, data: data, settings: settings)
    session.say(
      "\(model.store.scalarCount) parameters, \(task.counts.training) images of \(configuration.tokenCount) tokens, "
        + "\(configuration.classCount) classes, \(task.counts.heldOut) held out")
    try train(task, parameters: model.store.scalarCount, data, session) {
      try model.record(values: $0, description: $1)
    }
  }

  /// Trains, writes the model and reports.
  /// - Parameter record: the model's file with some values of its parameters.
  func train(
    _ task: TransformerTask, parameters: Int, _ data: TokenDataset, _ session: ToolSession,
    record: @escaping ([Tensor], ModelDescription) throws -> Record
  ) throws {
    let description = ModelDescription(
      codebookSHA256: data.header.codebookSHA256, classNames: data.header.classNames, clusterSize: clusterSize
    )
    let outcome = try session.train(task, training, output: output) { try record($0, description) }
    try session.reportTraining(outcome, task, parameters: parameters, data: data)
  }

  /// The model of --initial, which must be of the tokens' codebook.
  private func readInitial(
    _ session: ToolSession, _ device: Device, _ header: TokenHeader
  ) throws -> (model: Transformer, classes: ClassList)? {
    guard let path = start.initial else { return nil }
    let (model, description) = try Transformer.read(session.readRecord(path), device: device)
    try session.requireSameCodebook(
      header, of: tokens.path, as: description.codebookSHA256, codes: model.configuration.vocabularySize,
      of: path.path)
    return (
      model,
      ClassList(names: description.classNames, count: model.configuration.classCount, file: path.path)
    )
  }

  func requireClusters(of header: TokenHeader) throws {
    guard clusterSize > 0, header.vocabSize % clusterSize != 0 else { return }
    throw ToolError(
      .badData, "--cluster-size",
      expected: "a divisor of the \(header.vocabSize) codes",
      found: "\(clusterSize)",
      try: "the size that rearrange-codebook was given")
  }
}
