import ArgumentParser
import Datasets
import Evaluation
import ImageModels
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

@main struct LinearProbeTool: Tool {
  static let toolName = "linear-probe"
  static let summary =
    "Measures how well linear classifiers tell the class of an image from a model's features."
  static let usageExample =
    "linear-probe images.tokens.zst --model baseline.tensors.zst --model st-ar.tensors.zst --output probe.json"

  @Argument(help: "Token file with classes, or '-' for standard input.") var tokens: InputPath
  @Option(name: .shortAndLong, help: "JSON table to write; '-' is standard output.") var output = OutputPath
    .standardOutput
  @Option(help: "Model file; repeat the option to compare several models.") var model: [InputPath] = []
  @Option(help: "Block whose output the features are, counted from 1. (default: half the number of blocks)")
  var layer: Int?
  @Option(help: "Number of positions to probe, evenly spaced; the last has seen all tokens but one.")
  var positions = 8
  @Option(help: "Token file to score; the classifiers then train on all images of the other file.") var test:
    InputPath?
  @OptionGroup var heldOut: HeldOutOptions
  @OptionGroup var view: ViewOptions
  @Option(help: "Number of times that a classifier sees each training image.") var epochs = 90
  @Option(help: "Number of images per optimiser step of a classifier.") var batchSize = 256
  @Option(help: "Learning rate of a classifier at the first step; it falls to 0 along half a cosine.")
  var learningRate = 1e-2
  @Option(help: "Weight decay of the classifiers, at least 0.") var weightDecay: Float = 0
  @Option(help: "Number of images that a model reads at a time.") var modelBatchSize = 16
  @OptionGroup var estimating: EstimateOptions
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output, isEstimate: estimating.estimate)
    if ([tokens, test].compactMap { $0 } + model).filter(\.isStandardInput).count > 1 {
      throw ValidationError("'-' is given for two inputs, and there is one standard input only.")
    }
    if model.isEmpty { throw ValidationError("give at least one --model.") }
    if test != nil && heldOut.chosen != nil {
      throw ValidationError("--test names the images to score; leave --held-out out.")
    }
    try heldOut.requireSome()
    if [positions, layer ?? 1, epochs, batchSize, modelBatchSize].contains(where: { $0 < 1 || $0 > 1 << 20 })
    {
      throw ValidationError(
        "--positions, --layer, --epochs, --batch-size and --model-batch-size must be from 1 to 2^20.")
    }
    if !(learningRate > 0 && learningRate.isFinite) || !(weightDecay >= 0 && weightDecay.isFinite) {
      throw ValidationError("--learning-rate must be above 0, --weight-decay not negative.")
    }
  }

  func execute(_ session: ToolSession) throws {
    let device = session.device()
    let data = try readData(session)
    let settings = LinearProbe.Options(
      epochs: epochs, batchSize: batchSize, learningRate: learningRate, weightDecay: weightDecay,
      seed: session.seed)
    try session.requireCreatable(output)
    var table = ProbeTable(data, settings: settings)
    let progress = session.progress(
      "images", total: (data.training.items.count + data.test.items.count) * model.count)
    for path in model {
      table.models.append(try probe(path, data, settings, progress, device, session))
    }
    progress.finish()
    let sink = try session.create(output, binary: false)
    try sink.write(text: sortedJSON(table) + "\n")
    try sink.commit()
    try report(table, session)
  }

  private func readData(_ session: ToolSession) throws -> ProbeData {
    let dataset = try TokenDataset(session.openTokens(tokens))
    guard let test else {
      return try ProbeData(dataset, path: tokens.path, heldOut: heldOut.share, view)
    }
    let other = try TokenDataset(session.openTokens(test))
    return try ProbeData(dataset, path: tokens.path, test: other, testPath: test.path, view, session)
  }

  private func probe(
    _ path: InputPath, _ data: ProbeData, _ settings: LinearProbe.Options, _ progress: ProgressReporter,
    _ device: Device, _ session: ToolSession
  ) throws -> ProbeTable.ModelResult {
    let (transformer, description) = try Transformer.read(session.readRecord(path), device: device)
    let sizes = transformer.configuration
    for part in [data.training, data.test] {
      try session.requireFit(
        part.tokens.header, of: part.path, view: part.view, to: sizes, description, of: path.path)
    }
    let places = try places(in: sizes, of: path)
    let images = data.training.items.count + data.test.items.count
    try session.requireMemory(
      MemoryEstimate(
        [
          ("the model", sizes.parameterBytes),
          ("the features", Double(images) * Double(positions) * Double(sizes.width) * 4),
          ("a batch", sizes.passBytesPerImage * Double(min(modelBatchSize, images))),
        ], advice: "a smaller --positions or --model-batch-size"))
    try session.finish(estimating)
    func features(_ part: ProbeData.Part) throws -> [Tensor] {
      let features = transformer.features(
        part.tokens, items: part.items.map { ($0, part.view) }, at: places, batchSize: modelBatchSize
      ) { progress.advance(by: $0) }
      guard features.allSatisfy(\.isFinite) else {
        throw ToolError(
          .badData, path.path,
          expected: "finite features",
          found: "infinities or NaN",
          try: "another model")
      }
      return features
    }
    let (training, test) = (try features(data.training), try features(data.test))
    let results = try LinearProbe.scores(
      training: training, labels: data.training.labels, test: test, labels: data.test.labels,
      classCount: data.training.tokens.header.classCount, options: settings, device: device)
    let positions = zip(places.positions, results).map {
      ProbeTable.PositionResult(position: $0, test: $1.test, training: $1.training)
    }
    return .init(model: path.path, layer: places.layer, layers: sizes.layers, positions: positions)
  }

  private func places(in sizes: TransformerConfiguration, of path: InputPath) throws -> FeaturePlaces {
    let layer = layer ?? max(1, sizes.layers / 2)
    guard layer <= sizes.layers, positions <= sizes.tokenCount else {
      throw ToolError(
        .badData, path.path,
        expected: "at least \(layer) layers and \(positions) tokens per image",
        found: "\(sizes.layers) layers and \(sizes.tokenCount) tokens",
        try: "a smaller --layer or --positions")
    }
    return FeaturePlaces(layer: layer, positions: FeaturePlaces.evenlySpaced(positions, of: sizes.tokenCount))
  }

  private func report(_ table: ProbeTable, _ session: ToolSession) throws {
    session.say(
      "\(table.test.images) images scored; the most frequent class alone would score \(table.majority) top-1, chance "
        + "\(table.chance) balanced")
    for result in table.models {
      session.say("\(result.model): top-1 \(result.meanTop1), balanced \(result.meanBalancedTop1)")
      for place in result.positions {
        try session.log([
          "model": .string(result.model), "position": .integer(place.position), "top1": .number(place.top1),
          "balanced_top1": .number(place.balancedTop1), "loss": .number(place.loss),
        ])
      }
    }
    let means = table.models.map { result -> JSONValue in
      [
        "model": .string(result.model), "mean_top1": .number(result.meanTop1),
        "mean_balanced_top1": .number(result.meanBalancedTop1),
      ]
    }
    try session.report([
      "models": .array(means), "majority": .number(table.majority), "chance": .number(table.chance),
      "images": .integer(table.test.images),
    ])
  }
}
