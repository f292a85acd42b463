import ArgumentParser
import Datasets
import ImageModels
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime
import Training
import VAR

/// What a model of several scales (VAR) needs besides.
struct ScaleOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Tokenizer file of the tokens; tokens of several scales need it, because the model reads sums of their codes.",
      valueName: "file"))
  var tokenizer: InputPath?
  @Option(
    help: ArgumentHelp(
      "Rate at which whole branches of the last block are dropped, from 0 to below 1; it rises over the blocks from 0. "
        + "(default: a tenth of the blocks over 24)", valueName: "rate"))
  var dropPath: Float?
  @Flag(
    help: "All blocks share the layer that turns a class into scales and shifts, as VAR's for 512 pixels do.")
  var sharedConditioning = false

  func validate() throws {
    if let dropPath, !(0..<1).contains(dropPath) {
      throw ValidationError("--drop-path must be from 0 to below 1.")
    }
  }

  var isGiven: Bool { tokenizer != nil || dropPath != nil || sharedConditioning }
}

extension TrainAR {
  /// Trains a VAR transformer on tokens of several scales.
  func trainScales(_ data: TokenDataset, _ device: Device, _ session: ToolSession) throws {
    guard let path = scales.tokenizer else {
      throw ToolError(
        .usage,
        "\(tokens.path): expected --tokenizer, because the tokens are of several scales; found none; try: the tokenizer that "
          + "these tokens were made with")
    }
    try requireNothingOfRaster()
    let tokenizer = try Tokenizer(session.readRecord(path), device: device)
    try session.requireDecodable(data.header, of: tokens.path, by: tokenizer, of: path.path)
    guard let quantizer = tokenizer.configuration.multiScale else {
      preconditionFailure("a tokenizer of one scale")
    }
    let configuration = try sizes.scaleConfiguration(
      for: data.header, quantizer, codeDimension: tokenizer.configuration.codeDimension,
      sharesConditioning: scales.sharedConditioning)
    try requireClusters(of: data.header)
    try session.requireMemory(
      toTrain: configuration.parameterBytes,
      copies: training.waitingGradients(ranks: session.communicator.count), averages: training.averages,
      bytesPerImage: configuration.trainingBytesPerImage,
      images: training.batchSize / (tokenTraining.gradientAccumulation * training.leaves))
    let model = VARTransformer(configuration, device: device, seed: session.seed)
    model.adopt(tokenizer)
    var options = tokenTraining.options(batchSize: training.batchSize, seed: session.seed)
    options.dropout = scales.dropPath ?? 0.1 * Float(configuration.layers) / 24
    (options.clusterSize, options.clusterWeight) = (clusterSize, clusterWeight)
    let settings = VARSettings(
      model: configuration, precision: device.precision, data: .init(tokens: data, quantizer: model),
      heldOut: training.heldOut.share, task: options,
      training: try training.options(images: training.heldOut.share.split(data).training.count))
    let task = try TransformerTask(model, data: data, settings: settings)
    session.say(
      "\(model.store.scalarCount) parameters, \(task.counts.training) images of \(configuration.tokenCount) tokens in "
        + "\(quantizer.scales.count) scales, \(task.counts.heldOut) held out")
    try train(task, parameters: model.store.scalarCount, data, session) {
      try model.record(values: $0, description: $1)
    }
  }

  private func requireNothingOfRaster() throws {
    guard tokenTraining.dropout != nil || selfGuided.selfGuided else { return }
    throw ToolError(
      .usage,
      "\(tokens.path): expected options of a model of several scales; found --dropout or --self-guided, which models of one "
        + "grid have; try: --drop-path")
  }
}
