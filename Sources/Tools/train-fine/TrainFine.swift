import ArgumentParser
import CTF
import Communication
import Datasets
import ImageModels
import MessagePassing
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime
import Training

@main struct TrainFine: Tool {
  static let toolName = "train-fine"
  static let summary =
    "Trains the second stage of CTF, which predicts all fine codes of an image from its coarse labels."
  static let usageExample =
    "train-fine emoji.tokens.zst --mapping coarse.tensors.zst --model CPU-small --steps 2000 --output fine.tensors.zst"
  static var versionDetails: [String] { BuildInformation.lines + [Ranks.library] }
  static let savesWhenInterrupted = true
  static func joinRanks() throws -> any Communicator { try Ranks.join() }

  @Argument(help: "File of fine tokens, or '-' for standard input.") var tokens: InputPath
  @Option(help: "Mapping file that cluster-codebook wrote: the coarse label of each code.")
  var mapping: InputPath
  @Option(name: .shortAndLong, help: "Model file to write.") var output: OutputPath
  @OptionGroup(title: "Architecture") var sizes: TransformerSizeOptions
  @OptionGroup(title: "Start") var start: InitialOptions
  @OptionGroup(title: "Training") var training: TrainingCommandOptions
  @OptionGroup(title: "Training on tokens") var tokenTraining: TokenTrainingOptions
  @Flag(
    inversion: .prefixedNo,
    help: "Predict a code among those of its coarse label; off: among all codes.") var clusterMask = true
  @OptionGroup(title: "Common") var common: CommonOptions

  var unnamedFiles: [ClaimedFile] { training.checkpointFiles(besides: output) }

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output, isEstimate: training.estimate)
    try InputPath.requireDistinct(tokens, mapping, start.initial)
    try start.check(sizes)
    try tokenTraining.requireParts(of: training.batchSize, leaves: training.leaves)
  }

  func execute(_ session: ToolSession) throws {
    try training.requireLeaves(forRanks: session.communicator.count)
    let device = session.device(training.precision)
    let mapping = try CodeMapping(session.readRecord(mapping))
    let data = try TokenDataset(session.openTokens(tokens))
    try session.requireRaster(data.header, of: tokens.path)
    try requireFit(data.header, mapping, session)
    let first = try readInitial(session, device, mapping)
    var configuration =
      try first.map { try sizes.configuration(of: $0.model.configuration, for: data.header) }
      ?? sizes.configuration(for: data.header)
    configuration.inputVocabularySize = mapping.targetCount
    try session.requireMemory(
      toTrain: configuration.parameterBytes, trained: configuration.trainedBytes(frozen: start.frozen),
      copies: training.waitingGradients(ranks: session.communicator.count), by: training,
      bytesPerImage: configuration.trainingBytesPerImage(device.precision, frozen: start.frozen),
      images: training.batchSize / (tokenTraining.gradientAccumulation * training.leaves))
    let model = FineModel(
      Transformer(configuration, device: device, seed: session.seed), fineToCoarse: mapping.table,
      isMasked: clusterMask)
    let initial = try first.map {
      try start.start(
        model.transformer, from: $0.model,
        own: ClassList(names: data.header.classNames, count: configuration.classCount, file: tokens.path),
        classes: $0.classes,
        session)
    }
    let settings = TransformerSettings(
      model: configuration, precision: device.precision,
      data: .init(tokens: data, mapping: mapping.targetCodebookSHA256, clusterMask: clusterMask),
      heldOut: training.heldOut.share,
      task: tokenTraining.options(batchSize: training.batchSize, seed: session.seed), initial: initial,
      training: try training.options(images: training.heldOut.share.split(data).training.count))
    let task = try TransformerTask(model, data: data, settings: settings)
    session.say(
      "\(model.store.scalarCount) parameters, \(task.counts.training) images of \(configuration.tokenCount) tokens, "
        + "\(configuration.classCount) classes, \(task.counts.heldOut) held out, \(mapping.targetCount) coarse labels"
    )
    let description = FineModelDescription(
      codebookSHA256: mapping.sourceCodebookSHA256, coarseCodebookSHA256: mapping.targetCodebookSHA256,
      classNames: data.header.classNames)
    let outcome = try session.train(task, training, output: output) {
      try model.record(values: $0, description: description)
    }
    try session.reportTraining(outcome, task, parameters: model.store.scalarCount, data: data)
  }

  /// The model of --initial, which must be of the same mapping.
  private func readInitial(
    _ session: ToolSession, _ device: Device, _ mapping: CodeMapping
  ) throws -> (model: Transformer, classes: ClassList)? {
    guard let path = start.initial else { return nil }
    let (model, description) = try FineModel.read(session.readRecord(path), device: device)
    guard model.fineToCoarse == mapping.table, description.codebookSHA256 == mapping.sourceCodebookSHA256
    else {
      throw ToolError(
        .badData, path.path,
        expected: "a model of the mapping \(self.mapping.path)",
        found: "one of another mapping",
        try: "the mapping that it was trained with")
    }
    return (
      model.transformer,
      ClassList(names: description.classNames, count: model.configuration.classCount, file: path.path)
    )
  }

  private func requireFit(_ header: TokenHeader, _ mapping: CodeMapping, _ session: ToolSession) throws {
    guard mapping.oldToNew == nil else {
      throw ToolError(
        .badData, self.mapping.path,
        expected: "a fine-to-coarse mapping",
        found: "a permutation",
        try: "cluster-codebook")
    }
    try session.requireFine(
      header.codebookSHA256, of: tokens.path, fine: mapping.sourceCodebookSHA256,
      coarse: mapping.targetCodebookSHA256, of: self.mapping.path)
    try session.requireCodes(mapping.sourceCount, in: header, of: tokens.path, as: self.mapping.path)
  }
}
