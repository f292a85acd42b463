import ArgumentParser
import Datasets
import ImageModels
import STAR
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime
import Training

@main struct TrainAR: Tool {
  static let toolName = "train-ar"
  static let summary = "Trains an autoregressive transformer on tokens: LlamaGen's baseline, IAR, or ST-AR."
  static let usageExample =
    "train-ar rearranged.tokens.zst --model CPU-small --cluster-size 32 --steps 2000 --output iar.tensors.zst"
  static var versionDetails: [String] { BuildInformation.lines }
  static let savesWhenInterrupted = true

  @Argument(help: "Token file, or '-'.") var tokens: InputPath
  @Option(name: .shortAndLong, help: "Model file to write.") var output: OutputPath
  @OptionGroup(title: "Architecture") var sizes: TransformerSizeOptions
  @OptionGroup(title: "Training") var training: TrainingCommandOptions
  @OptionGroup(title: "Training on tokens") var tokenTraining: TokenTrainingOptions
  @Option(help: "Codes in a cluster of the rearranged codebook; turns IAR's cluster loss on.")
  var clusterSize = 0
  @Option(help: "lambda, the weight of the cluster loss.") var clusterWeight: Float = 1
  @OptionGroup(title: "Self-guided training") var selfGuided: SelfGuidedOptions
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output)
    if clusterSize < 0 || !(clusterWeight >= 0 && clusterWeight.isFinite) {
      throw ValidationError("--cluster-size and --cluster-weight must not be negative nor infinite.")
    }
    try tokenTraining.requireParts(of: training.batchSize)
    try selfGuided.validate(
      batchSize: training.batchSize, accumulation: tokenTraining.gradientAccumulation,
      layers: sizes.layerCount)
  }

  func execute(_ session: ToolSession) throws {
    let device = session.device(training.precision)
    let data = TokenDataset(try session.openTokens(tokens).readAll())
    let configuration = try sizes.configuration(for: data.header)
    try requireClusters(of: data.header)
    let guiding = try selfGuided.options(for: configuration, data.header, file: tokens.path)
    let split = try HeldOutSplit(of: data, fraction: training.heldOut, seed: training.splitSeed)
    let model = Transformer(configuration, device: device, seed: session.seed)
    session.say(
      "\(model.store.scalarCount) parameters, \(split.training.count) images of \(configuration.tokenCount) tokens, "
        + "\(split.heldOut.count) held out")
    let options = TransformerTask.Options(
      batchSize: training.batchSize, accumulation: tokenTraining.gradientAccumulation,
      dropout: tokenTraining.dropout, classDropout: tokenTraining.classDropout,
      labelSmoothing: tokenTraining.labelSmoothing, clusterSize: clusterSize, clusterWeight: clusterWeight,
      seed: session.seed)
    let guidance = guiding.map { SelfGuidance(model, options: $0, seed: session.seed) }
    let task = TransformerTask(model, data: data, split: split, options: options, guidance: guidance)
    var settings = [
      "config": try sortedJSON(configuration), "precision": device.precision.rawValue,
      "task": try sortedJSON(options), "data": data.sha256,
      "held_out": "\(training.heldOut), seed \(training.splitSeed)",
    ]
    settings["self_guidance"] = try guiding.map { try sortedJSON($0) }
    let outcome = try session.train(task, training, settings: settings, output: output)
    let description = ModelDescription(
      codebookSHA256: data.header.codebookSHA256, classNames: data.header.classNames, clusterSize: clusterSize
    )
    try session.write(try model.record(values: outcome.values, description: description), to: output)
    try session.finishTraining(training, output: output)
    let views = guidance == nil ? 1 : SelfGuidance.viewCount
    try session.reportTraining(outcome, model.store, batchSize: training.batchSize * views, data: data)
  }

  private func requireClusters(of header: TokenHeader) throws {
    guard clusterSize > 0, header.vocabSize % clusterSize != 0 else { return }
    throw ToolError(
      .badData,
      "--cluster-size: expected a divisor of the \(header.vocabSize) codes; found \(clusterSize); try: the size that "
        + "rearrange-codebook was given")
  }
}
