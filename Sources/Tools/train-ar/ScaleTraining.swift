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
        .usage, tokens.path,
        expected: "--tokenizer, because the tokens are of several scales",
        found: "none",
        try: "the tokenizer that these tokens were made with")
    }
    try requireNothingOfRaster()
    let tokenizer = try Tokenizer(session.readRecord(path), device: device)
    try session.requireDecodable(data.header, of: tokens.path, by: tokenizer, of: path.path)
    guard let quantizer = tokenizer.configuration.multiScale else {
      preconditionFailure("a tokenizer of one scale")
    }
    let first = try readInitialScales(session, device, data.header, quantizer)
    let configuration = try scaleConfiguration(first?.model, data.header, tokenizer, quantizer)
    try requireClusters(of: data.header)
    try session.requireMemory(
      toTrain: configuration.parameterBytes, trained: configuration.trainedBytes(frozen: start.frozen),
      copies: training.waitingGradients(ranks: session.communicator.count), by: training,
      bytesPerImage: configuration.trainingBytesPerImage(device.precision, frozen: start.frozen),
      images: training.batchSize / (tokenTraining.gradientAccumulation * training.leaves))
    let model = VARTransformer(configuration, device: device, seed: session.seed)
    model.adopt(tokenizer)
    let initial = try first.map {
      try start.start(
        model, from: $0.model,
        own: ClassList(names: data.header.classNames, count: configuration.classCount, file: tokens.path),
        classes: $0.classes, session)
    }
    var options = tokenTraining.options(batchSize: training.batchSize, seed: session.seed)
    options.dropout = scales.dropPath ?? 0.1 * Float(configuration.layers) / 24
    (options.clusterSize, options.clusterWeight) = (clusterSize, clusterWeight)
    let settings = VARSettings(
      model: configuration, precision: device.precision, data: .init(tokens: data, quantizer: model),
      heldOut: training.heldOut.share, task: options, initial: initial,
      training: try training.options(images: training.heldOut.share.split(data).training.count))
    let task = try TransformerTask(model, data: data, settings: settings)
    session.say(
      "\(model.store.scalarCount) parameters, \(task.counts.training) images of \(configuration.tokenCount) tokens in "
        + "\(quantizer.scales.count) scales, \(configuration.classCount) classes, \(task.counts.heldOut) held out"
    )
    try train(task, parameters: model.store.scalarCount, data, session) {
      try model.record(values: $0, description: $1)
    }
  }

  /// The sizes of --initial with the classes of the tokens, or those of the options.
  private func scaleConfiguration(
    _ initial: VARTransformer?, _ header: TokenHeader, _ tokenizer: Tokenizer,
    _ quantizer: MultiScaleConfiguration
  ) throws -> VARConfiguration {
    guard let initial else {
      return try sizes.scaleConfiguration(
        for: header, quantizer, codeDimension: tokenizer.configuration.codeDimension,
        sharesConditioning: scales.sharedConditioning)
    }
    var sizes = initial.configuration
    sizes.classCount = max(1, header.classCount)
    return sizes
  }

  /// The model of --initial, which must be of the tokens' codebook and scales.
  private func readInitialScales(
    _ session: ToolSession, _ device: Device, _ header: TokenHeader, _ quantizer: MultiScaleConfiguration
  ) throws -> (model: VARTransformer, classes: ClassList)? {
    guard let path = start.initial else { return nil }
    guard !scales.sharedConditioning else {
      throw ToolError(
        .usage, "--initial", expected: "the sizes of its model", found: "--shared-conditioning beside it",
        try: "without it")
    }
    let (model, description) = try VARTransformer.read(session.readRecord(path), device: device)
    try session.requireSameCodebook(
      header, of: tokens.path, as: description.codebookSHA256, codes: model.configuration.vocabularySize,
      of: path.path)
    guard model.configuration.multiScale == quantizer else {
      throw ToolError(
        .badData, path.path,
        expected: "a model of the scales and convolutions of --tokenizer",
        found: "others",
        try: "the tokenizer that it was trained with")
    }
    return (
      model,
      ClassList(names: description.classNames, count: model.configuration.classCount, file: path.path)
    )
  }

  private func requireNothingOfRaster() throws {
    guard tokenTraining.dropout != nil || selfGuided.selfGuided else { return }
    throw ToolError(
      .usage, tokens.path,
      expected: "options of a model of several scales",
      found: "--dropout or --self-guided, which models of one grid have",
      try: "--drop-path")
  }
}
