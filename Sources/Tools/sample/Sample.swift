import ArgumentParser
import CTF
import ImageModels
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime
import VAR

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
  @OptionGroup var drawing: DrawingOptions
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
  @OptionGroup var estimating: EstimateOptions
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output, isEstimate: estimating.estimate)
    try requireServing()
    try requireStages()
    if !(1...1 << 20).contains(batchSize) { throw ValidationError("--batch-size must be from 1 to 2^20.") }
  }

  /// What a request decides, and what has no place among requests.
  private func requireServing() throws {
    guard serving.serve else { return }
    if [model, second.fine, drawing.speculation.alikeClusters].contains(where: { $0?.isStandardInput == true }
    ) {
      throw ValidationError(
        "--serve reads requests from standard input; name files for its models and mappings.")
    }
    if labels.isGiven || completion.keep != nil || model == nil || second.coarseOutput != nil
      || !output.isStandardOutput || estimating.estimate || sharding.shard != nil
    {
      throw ValidationError(
        "--serve needs --model, and answers on standard output: leave the options of classes, --output, --keep, "
          + "--coarse-tokens, --coarse-output, --shard and --estimate out.")
    }
  }

  private func requireStages() throws {
    guard (model == nil) == (second.coarseTokens != nil) else {
      throw ValidationError("give --model, or --fine and --coarse-tokens.")
    }
    if second.coarseTokens != nil && drawing.speculation.isGiven {
      throw ValidationError(
        "--speculate and --draw-method are for the first stage, whose tokens --coarse-tokens gives.")
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
    if let preset, (preset.fineDraw != nil) != (second.fine != nil) {
      throw ValidationError(
        preset.fineDraw == nil
          ? "--preset \(preset.name) is of a model of one stage; leave --fine out."
          : "--preset \(preset.name) is of two stages; give --fine.")
    }
    if second.coarseOutput?.isStandardOutput == true {
      throw ValidationError("the tokens take standard output; name a file for --coarse-output.")
    }
    try InputPath.requireDistinct(
      model, second.fine, second.coarseTokens, labels.labels, completion.keep, serving.tokenizer,
      drawing.speculation.alikeClusters)
  }

  func execute(_ session: ToolSession) throws {
    let device = session.device()
    let precision = session.supported(precision)
    // One pass over all positions is bound by products, which int8 would not make faster.
    var fine = try second.read(
      session, precision == .float32 ? device : session.device(.bfloat16), preset)
    if serving.serve, let model {
      return try serving.serve(
        session, read(model, session, precision, device), fine: fine, drawing, batchSize: batchSize,
        device: device, model: model.path)
    }
    let given = try fine.flatMap {
      try completion.read(
        session, codebook: $0.description.codebookSHA256, sizes: $0.sizes, of: $0.path, sharding,
        fillings: second.fillings)
    }
    fine?.kept = given?.tokens
    let first = try firstStage(session, precision, device, fine, given)
    try fine?.fit(first.header, of: (model ?? second.coarseTokens)?.path ?? "", session)
    let settings = try sortedJSON(settings(precision, first))
    let sampling = JSONValue(parsing: settings)
    session.settings =
      try sharding.settings([
        "sampling": sampling, "labels_sha256": Self.sha256(of: first.labels), "seed": session.seed,
        "mask": completion.mask?.text, "fillings": second.fillings,
      ]) ?? sampling
    let part = sharding.part(of: first.labels.count)
    let coarseFile = try second.coarseOutput.map {
      try SampleFile($0, first.header, settings: settings, shard: part.shard, session)
    }
    let sampler = StagedSampler(first: first, second: fine, seed: session.seed)
    let file = try SampleFile(output, sampler.header, settings: settings, shard: part.shard, session)
    let count = part.items.count
    try requireMemory(session, first, fine, precision, images: min(batchSize, count))
    try session.finish(estimating)
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
    var summary: [String: JSONValue] = [
      "images": .integer(count), "sampling": sampling ?? .null, "seconds": .number(seconds),
      "seed": Int(exactly: session.seed).map { .integer($0) } ?? .string("\(session.seed)"),
      "images_per_second": .number(Double(count) / seconds),
      "tokens_per_second": .number(Double(count * first.header.tokensPerView) / seconds),
    ]
    if drawing.speculation.speculate > 1 {
      summary["tokens_per_pass"] = (first as? ModelStage)?.tokensPerPass.map { .number($0) }
    }
    try session.report(summary.merging(part.summary) { own, _ in own })
  }

  /// Shards of the same number of images may be of other classes.
  private static func sha256(of labels: [Int]) -> String {
    SHA256Hasher.hex(of: labels.flatMap { withUnsafeBytes(of: UInt32($0).littleEndian, Array.init) })
  }

  private func requireMemory(
    _ session: ToolSession, _ stage: any FirstStage, _ fine: FineStage?, _ precision: SamplingPrecision,
    images: Int
  ) throws {
    if let fine {
      // An image at a time, or one per thread.
      try session.requireMemory(
        toRun: fine.sizes.parameterBytes, bytesPerImage: fine.sizes.passBytesPerImage,
        images: min(images, session.threads), option: "--threads")
    }
    if let sizes = (stage as? ScaleStage)?.sizes {
      return try session.requireMemory(
        toRun: sizes.parameterBytes, bytesPerImage: sizes.cacheBytes + sizes.logitBytesPerImage, images: 1)
    }
    guard let sizes = (stage as? ModelStage)?.sizes else { return }
    // With guidance each image has a second row, of no class.
    let rows: Double = drawing.scale == 1 ? 1 : 2
    try session.requireMemory(
      toRun: sizes.packedBytes(precision),
      bytesPerImage: rows * sizes.cacheBytes(precision)
        + sizes.placeBytes(drawing.speculation.speculate, rows: rows), images: images)
  }

  private func firstStage(
    _ session: ToolSession, _ precision: SamplingPrecision, _ device: Device, _ fine: FineStage?,
    _ given: GivenImages?
  ) throws -> any FirstStage {
    if let path = second.coarseTokens {
      let coarse = try session.openTokens(path).readAll()
      try sharding.requireWhole(coarse.shard, of: path.path)
      let stage = FileStage(coarse, fillings: second.fillings)
      try completion.requireSame(given, fine, stage, path, fillings: second.fillings, session)
      return stage
    }
    guard let model else { preconditionFailure("sample: validated without a model") }
    let read = try read(model, session, precision, device)
    let interrupted = { session.interruption.isRaised }
    switch read {
    case .raster(let packed, let description):
      let given =
        try given
        ?? completion.read(
          session, codebook: description.codebookSHA256, sizes: packed.configuration, of: model.path,
          sharding,
          fillings: second.fillings)
      let classes = ClassList(
        names: description.classNames, count: packed.configuration.classCount, file: model.path)
      let (kept, labels) =
        try given.map { try completion.start($0, classes, fine, fillings: second.fillings, session) }
        ?? (nil, labels.labels(classCount: classes.count, seed: session.seed))
      if kept?.hasKeptAfterDrawn == true {
        session.warn(
          "warning: an autoregressive model draws a token without seeing the kept ones that follow it")
      }
      return try ModelStage(
        packed, description, labels: labels, guidance: drawing.guidance(.constant),
        draw: drawing.draw,
        seed: session.seed, kept: kept, method: drawing.speculation.drawMethod,
        window: drawing.speculation.speculate,
        alike: drawing.speculation.alike(
          description, codes: packed.configuration.vocabularySize, of: model.path, session),
        interrupted: interrupted)
    case .scales(let transformer, let description):
      let labels = try labels.labels(classCount: transformer.configuration.classCount, seed: session.seed)
      return ScaleStage(
        transformer, description, labels: labels, guidance: drawing.guidance(.linear),
        draw: drawing.draw, seed: session.seed, interrupted: interrupted)
    }
  }

  private func read(
    _ model: InputPath, _ session: ToolSession, _ precision: SamplingPrecision, _ device: Device
  ) throws -> SampledModel {
    let read = try session.readSampledModel(
      model, precision: precision, device: device,
      scaleDevice: precision == .float32 ? device : session.device(.bfloat16))
    if case .scales = read {
      try requireOneGrid(of: model)
      try drawing.speculation.requireNone(model.path)
    }
    try preset?.check(read, of: model.path, session)
    return read
  }

  /// What a model of several scales has no use for.
  private func requireOneGrid(of model: InputPath) throws {
    for (option, input) in [("--fine", second.fine), ("--keep", completion.keep)] {
      guard let input else { continue }
      throw ToolError(
        .badData, model.path, expected: "a model of one grid of tokens, for \(option) \(input.path)",
        found: "one of several scales", try: "without \(option)")
    }
  }

  private var preset: SamplingPreset? { drawing.preset?.preset }

  private func settings(_ precision: SamplingPrecision, _ stage: any FirstStage) -> SamplingSettings {
    let usual: Guidance.Schedule = stage is ScaleStage ? .linear : .constant
    return SamplingSettings(
      preset: preset?.name, precision: precision,
      guidance: model == nil ? nil : drawing.guidance(usual), draw: model == nil ? nil : drawing.draw,
      drawMethod: drawing.speculation.recordedMethod,
      alike: drawing.draw.isGreedy ? nil : drawing.speculation.recordedAlike,
      fineGuidance: second.fine == nil ? nil : second.fineGuidance,
      fineDraw: second.fine == nil ? nil : second.draw(preset))
  }
}
