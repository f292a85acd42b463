import ArgumentParser
import CTF
import ImageModels
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime
import VAR

extension Guidance.Schedule: ExpressibleByArgument {}

@main struct Sample: Tool {
  static let toolName = "sample"
  static let summary = "Draws images, as tokens, from an autoregressive model."
  static let usageExample =
    "sample --model iar.tensors.zst --count 64 --guidance 2 | detokenize --tokenizer rearranged.tensors.zst - --grid out.png"
  static var versionDetails: [String] { BuildInformation.lines }

  @Option(help: "Model file of train-ar or import-weights; with --fine, the coarse model.") var model:
    InputPath?
  @Option(name: .shortAndLong, help: "Token file to write; '-' is standard output.")
  var output = OutputPath.standardOutput
  @OptionGroup(title: "Classes") var labels: LabelOptions
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Guidance scale s in u + s (c - u), with c and u the logits with and without class; 1 "
        + "means no guidance."))
  var guidance = 1.0
  @Option(
    help: ArgumentHelp(
      "How the guidance scale changes over the positions, of a model of several scales over the scales. (default: "
        + "constant; of several scales linear)"))
  var guidanceSchedule: Guidance.Schedule?
  @Option(help: "First guided position of the schedule 'interval', from 0 (the first token) to 1 (the last).")
  var guidanceFrom = 0.0
  @Option(help: "Last guided position of the schedule 'interval', from 0 (the first token) to 1 (the last).")
  var guidanceTo = 1.0
  @Option(parsing: .unconditional, help: "Exponent of the schedule 'power-cosine', above 0.")
  var guidancePower = 1.0
  @Option(help: "Temperature by which the logits are divided, at least 0; 0 takes the most probable token.")
  var temperature: Float = 1
  @Option(help: "k: draw from the k most probable tokens; 0 means all.") var topK = 0
  @Option(
    help: "p: draw from the most probable tokens whose probabilities add up to p, above 0; 1 means all.")
  var topP: Float = 1
  @Option(help: "Number of images drawn at a time; does not change the images.") var batchSize = 64
  @Option(
    help:
      "Number format of weights and products; with int8 the second stage, and a model of several scales, use bfloat16."
  )
  var precision = SamplingPrecision.float32
  @OptionGroup var sharding: ShardOptions
  @OptionGroup(title: "Second stage") var second: FineOptions
  @OptionGroup(title: "Completion") var completion: CompletionOptions
  @OptionGroup(title: "Serving") var serving: ServingOptions
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output)
    try requireServing()
    try requireStages()
    if !(1...1 << 20).contains(batchSize) || topK < 0 {
      throw ValidationError("--batch-size must be from 1 to 2^20, --top-k at least 0.")
    }
    if !(temperature >= 0 && temperature.isFinite) || !(topP > 0 && topP <= 1) || !guidance.isFinite {
      throw ValidationError(
        "--temperature must not be negative, --top-p above 0 and at most 1, --guidance a finite number.")
    }
    if !(0...1).contains(guidanceFrom) || !(guidanceFrom...1).contains(guidanceTo)
      || !(guidancePower > 0 && guidancePower.isFinite)
    {
      throw ValidationError(
        "--guidance-from and --guidance-to must be from 0 to 1 and in order, --guidance-power above 0.")
    }
  }

  /// What a request decides, and what has no place among requests.
  private func requireServing() throws {
    if !serving.serve && serving.tokenizer != nil {
      throw ValidationError(
        "--tokenizer is for the pictures of --serve; detokenize makes those of a token file.")
    }
    if serving.serve,
      [model, second.fine, serving.tokenizer].contains(where: { $0?.isStandardInput == true })
    {
      throw ValidationError("--serve reads requests from standard input; name files for its models.")
    }
    if serving.serve
      && (labels.isGiven || completion.keep != nil || model == nil || second.coarseOutput != nil
        || !output.isStandardOutput)
    {
      throw ValidationError(
        "--serve needs --model, and answers on standard output: leave the options of classes, --output, --keep, "
          + "--coarse-tokens and --coarse-output out.")
    }
  }

  private func requireStages() throws {
    guard (model == nil) == (second.coarseTokens != nil) else {
      throw ValidationError("give --model, or --fine and --coarse-tokens.")
    }
    if second.coarseTokens != nil && labels.isGiven {
      throw ValidationError("--coarse-tokens has a class for each image; leave the options of classes out.")
    }
    if completion.keep != nil && labels.isGiven {
      throw ValidationError("--keep has a class for each image; leave the options of classes out.")
    }
    if second.fillings != 1 && second.coarseTokens == nil && completion.keep == nil {
      throw ValidationError("--fillings goes with --coarse-tokens or --keep.")
    }
    if second.coarseOutput?.isStandardOutput == true {
      throw ValidationError("the tokens take standard output; name a file for --coarse-output.")
    }
    try InputPath.requireDistinct(
      model, second.fine, second.coarseTokens, labels.labels, completion.keep, serving.tokenizer)
  }

  func execute(_ session: ToolSession) throws {
    let device = session.device()
    let precision = session.supported(precision)
    // One pass over all positions is bound by products, which int8 would not make faster.
    var fine = try second.read(
      session, precision == .float32 ? device : session.device(.bfloat16))
    if serving.serve { return try serve(session, precision, device, fine) }
    let given = try fine.flatMap {
      try keptTokens(session, codebook: $0.description.codebookSHA256, sizes: $0.sizes, of: $0.path)
    }
    fine?.kept = given?.tokens
    let first = try firstStage(session, precision, device, fine, given)
    try fine?.fit(first.header, of: (model ?? second.coarseTokens)?.path ?? "", session)
    let settings = try sortedJSON(settings(precision, first))
    let part = sharding.part(of: first.labels.count)
    let coarseFile = try second.coarseOutput.map {
      try SampleFile($0, first.header, settings: settings, shard: part.shard, session)
    }
    let sampler = StagedSampler(first: first, second: fine, seed: session.seed)
    let file = try SampleFile(output, sampler.header, settings: settings, shard: part.shard, session)
    let count = part.items.count
    try requireMemory(session, first, fine, precision, images: min(batchSize, count))
    let progress = session.progress("images", total: count)
    let start = ContinuousClock.now
    // An image depends on its number in the whole, and not on its batch.
    for begin in stride(from: part.items.lowerBound, to: part.items.upperBound, by: batchSize) {
      let images = begin..<min(begin + batchSize, part.items.upperBound)
      let labels = Array(first.labels[images])
      let drawn = try sampler.draw(images) { try coarseFile?.write($0, labels: labels) }
      try session.interruption.check()
      guard let drawn else { return }
      try file.write(drawn, labels: labels)
      progress.advance(by: images.count)
    }
    progress.finish()
    try coarseFile?.finish()
    try file.finish()
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let summary: [String: JSONValue] = [
      "images": .integer(count), "seconds": .number(seconds),
      "seed": Int(exactly: session.seed).map { .integer($0) } ?? .string("\(session.seed)"),
      "images_per_second": .number(Double(count) / seconds),
      "tokens_per_second": .number(Double(count * first.header.tokensPerView) / seconds),
    ]
    try session.report(summary.merging(part.summary) { own, _ in own })
  }

  private func requireMemory(
    _ session: ToolSession, _ stage: any FirstStage, _ fine: FineStage?, _ precision: SamplingPrecision,
    images: Int
  ) throws {
    if let fine {
      try session.requireMemory(
        toRun: fine.sizes.parameterBytes, bytesPerImage: fine.sizes.passBytesPerImage, images: images)
    }
    if let sizes = (stage as? ScaleStage)?.sizes {
      return try session.requireMemory(
        toRun: sizes.parameterBytes, bytesPerImage: sizes.cacheBytes + sizes.logitBytesPerImage, images: 1)
    }
    guard let sizes = (stage as? ModelStage)?.sizes else { return }
    // With guidance each image has a second row, of no class.
    let rows: Double = guidance == 1 ? 1 : 2
    try session.requireMemory(
      toRun: sizes.packedBytes(precision), bytesPerImage: rows * sizes.cacheBytes(precision), images: images)
  }

  private func firstStage(
    _ session: ToolSession, _ precision: SamplingPrecision, _ device: Device, _ fine: FineStage?,
    _ given: GivenImages?
  ) throws -> any FirstStage {
    if let path = second.coarseTokens {
      let coarse = try session.openTokens(path).readAll()
      try sharding.requireWhole(coarse.shard, of: path.path)
      let stage = FileStage(coarse, fillings: second.fillings)
      try requireSameImages(fine, stage, path)
      return stage
    }
    guard let model else { preconditionFailure("sample: validated without a model") }
    let read = try read(model, session, precision, device)
    let interrupted = { session.interruption.isRaised }
    switch read {
    case .raster(let packed, let description):
      let (kept, labels) = try start(session, packed.configuration, description, fine, given)
      if kept?.hasKeptAfterDrawn == true {
        session.warn(
          "warning: an autoregressive model draws a token without seeing the kept ones that follow it")
      }
      return ModelStage(
        packed, description, labels: labels, guidance: stageGuidance(.constant), draw: draw,
        seed: session.seed, kept: kept, interrupted: interrupted)
    case .scales(let transformer, let description):
      try requireOneGrid(of: model)
      let labels = try labels.labels(classCount: transformer.configuration.classCount, seed: session.seed)
      return ScaleStage(
        transformer, description, labels: labels, guidance: stageGuidance(.linear), draw: draw,
        seed: session.seed,
        interrupted: interrupted)
    }
  }

  private func read(
    _ model: InputPath, _ session: ToolSession, _ precision: SamplingPrecision, _ device: Device
  ) throws -> SampledModel {
    try session.readSampledModel(
      model, precision: precision, device: device,
      scaleDevice: precision == .float32 ? device : session.device(.bfloat16))
  }

  /// Answers requests until standard input ends.
  private func serve(
    _ session: ToolSession, _ precision: SamplingPrecision, _ device: Device, _ fine: FineStage?
  ) throws {
    guard let model else { preconditionFailure("sample: validated without a model") }
    let loaded = try read(model, session, precision, device)
    if case .scales = loaded { try requireOneGrid(of: model) }
    let tokenizer = try serving.tokenizer.map { try Tokenizer(session.readRecord($0), device: device) }
    let server = Server(
      session: session, model: loaded, fine: fine, tokenizer: tokenizer, guidance: stageGuidance, draw: draw,
      batchSize: batchSize, modelPath: model.path)
    try server.requireTokenizer(serving.tokenizer)
    try server.run(LineReader(FileSource(descriptor: 0, name: "standard input"), limit: 1 << 20))
  }

  /// What a model of several scales has no use for.
  private func requireOneGrid(of model: InputPath) throws {
    for (option, input) in [("--fine", second.fine), ("--keep", completion.keep)] {
      guard let input else { continue }
      throw ToolError(
        .badData,
        "\(model.path): expected a model of one grid of tokens, for \(option) \(input.path); found one of several scales"
      )
    }
  }

  /// What the first stage keeps, in its own tokens, and the class of each image.
  private func start(
    _ session: ToolSession, _ sizes: TransformerConfiguration, _ description: ModelDescription,
    _ fine: FineStage?, _ given: GivenImages?
  ) throws -> (kept: KeptTokens?, labels: [Int]) {
    guard let keep = completion.keep, let model,
      let given = try given
        ?? keptTokens(session, codebook: description.codebookSHA256, sizes: sizes, of: model.path)
    else {
      return (nil, try labels.labels(classCount: sizes.classCount, seed: session.seed))
    }
    let classes = try session.matchClasses(
      ClassList(given.header, file: keep.path),
      to: ClassList(names: description.classNames, count: sizes.classCount, file: model.path),
      noClass: sizes.noClass)
    let labels = given.labels.flatMap { [Int](repeating: classes[$0], count: second.fillings) }
    return (fine.map { given.tokens.mapped($0.fineToCoarse) } ?? given.tokens, labels)
  }

  private func keptTokens(
    _ session: ToolSession, codebook: String, sizes: TransformerConfiguration, of model: String
  ) throws -> GivenImages? {
    let given = try completion.read(
      session, codebook: codebook, sizes: sizes, of: model, fillings: second.fillings)
    try sharding.requireWhole(given?.shard, of: completion.keep?.path ?? "")
    return given
  }

  /// The coarse tokens of --coarse-tokens must be those of the images of --keep.
  private func requireSameImages(_ fine: FineStage?, _ stage: FileStage, _ coarse: InputPath) throws {
    guard let fine, let kept = fine.kept else { return }
    func refuse(_ expected: String, _ found: String) -> ToolError {
      ToolError(
        .badData,
        "\(completion.keep?.path ?? ""): expected \(expected) of \(coarse.path); found \(found); try: the tokens that the "
          + "coarse ones were made from")
    }
    guard kept.count == stage.labels.count else {
      throw refuse(
        "the \(stage.labels.count / second.fillings) images", "\(kept.count / second.fillings)")
    }
    let labels = kept.mapped(fine.fineToCoarse)
    for image in stride(from: 0, to: kept.count, by: second.fillings) {
      let tokens = stage.tokens(of: image..<image + 1)?[0] ?? []
      if let place = tokens.indices.first(where: { (labels[image, $0] ?? tokens[$0]) != tokens[$0] }) {
        throw refuse(
          "the coarse label \(tokens[place])",
          "\(labels[image, place] ?? 0) at place \(place) of image \(image / second.fillings)")
      }
    }
  }

  private func stageGuidance(_ usual: Guidance.Schedule) -> Guidance {
    Guidance(
      scale: guidance, schedule: guidanceSchedule ?? usual, interval: guidanceFrom...guidanceTo,
      power: guidancePower)
  }

  private var draw: DrawOptions { DrawOptions(temperature: temperature, topK: topK, topP: topP) }

  private func settings(_ precision: SamplingPrecision, _ stage: any FirstStage) -> SamplingSettings {
    let usual: Guidance.Schedule = stage is ScaleStage ? .linear : .constant
    return SamplingSettings(
      precision: precision,
      guidance: model == nil ? nil : stageGuidance(usual), draw: model == nil ? nil : draw,
      fineGuidance: second.fine == nil ? nil : second.fineGuidance,
      fineDraw: second.fine == nil ? nil : second.draw)
  }
}
