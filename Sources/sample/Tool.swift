import ArgumentParser
import ImageModels
import StreamFormat
import TensorCore
import ToolKit

extension Guidance.Schedule: ExpressibleByArgument {}

@main struct Sample: Tool {
  static let toolName = "sample"
  static let summary = "Draws images, as tokens, from an autoregressive model."
  static let usageExample =
    "sample --model iar.tensors.zst --count 64 --guidance 2 | detokenize --tokenizer rearranged.tensors.zst - --grid out.png"
  static var versionDetails: [String] { BuildInformation.lines }

  @Option(help: "Model file.") var model: InputPath
  @Option(name: .shortAndLong, help: "Token file to write.") var output = OutputPath.standardOutput
  @OptionGroup(title: "Classes") var labels: LabelOptions
  @Option(help: "Guidance scale; 1 for none.") var guidance = 1.0
  @Option(help: "How the scale runs over the positions.") var guidanceSchedule = Guidance.Schedule.constant
  @Option(help: "First guided position of the schedule 'interval', from 0 to 1.") var guidanceFrom = 0.0
  @Option(help: "Last guided position of the schedule 'interval', from 0 to 1.") var guidanceTo = 1.0
  @Option(help: "Exponent of the schedule 'power-cosine'.") var guidancePower = 1.0
  @Option(help: "Temperature; 0 takes the most probable token.") var temperature: Float = 1
  @Option(help: "Keep the k most probable tokens; 0 keeps all.") var topK = 0
  @Option(help: "Keep the most probable tokens up to this probability; 1 keeps all.") var topP: Float = 1
  @Option(help: "Images drawn at a time; does not change what is drawn.") var batchSize = 64
  @Option(help: "Format of weights and products: float32, bfloat16 or int8.")
  var precision = SamplingPrecision.float32
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output)
    if batchSize < 1 || topK < 0 {
      throw ValidationError("--batch-size must be at least 1, --top-k at least 0.")
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

  func execute(_ session: ToolSession) throws {
    let device = Device(threadCount: session.threads)
    let (model, description) = try session.readPackedModel(
      model, precision: session.supported(precision), device: device)
    let configuration = model.configuration
    let (classCount, names) = (configuration.classCount, description.classNames)
    let classes = try labels.labels(classCount: classCount, seed: session.seed)
    // Images of no class have the label after the last class, and a token file must count it.
    let unconditional = classes.contains(classCount)
    let header = TokenHeader(
      vocabSize: configuration.vocabularySize, rows: configuration.gridRows,
      columns: configuration.gridColumns,
      codebookSHA256: description.codebookSHA256, classCount: unconditional ? classCount + 1 : classCount,
      classNames: unconditional && !names.isEmpty ? names + ["no-class"] : names, viewNames: ["sample"])
    let settings = settings(model.precision)
    let sink = try session.create(output)
    let writer = TokenWriter(
      RecordWriter(sink), header: header,
      metadata: session.provenanceMetadata.merging(["sampling": try sortedJSON(settings)]) { $1 })
    let generator = TokenGenerator(model)
    let progress = session.progress("images", total: classes.count)
    let start = ContinuousClock.now
    for first in stride(from: 0, to: classes.count, by: batchSize) {
      let images = first..<min(first + batchSize, classes.count)
      guard
        let tokens = try generator.generate(
          labels: Array(classes[images]), imageIndices: Array(images), guidance: settings.guidance,
          draw: settings.draw, seed: session.seed, interrupted: { session.interruption.isRaised })
      else { return try session.interruption.check() }
      try writer.write(
        TokenBatch(
          header: header, tokens: tokens.flatMap { $0.map(UInt32.init) },
          labels: classes[images].map(UInt32.init)))
      progress.advance(by: images.count)
    }
    progress.finish()
    try writer.finish()
    try sink.commit()
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    try session.report([
      "images": .integer(classes.count), "seconds": .number(seconds),
      "seed": Int(exactly: session.seed).map { .integer($0) } ?? .string("\(session.seed)"),
      "images_per_second": .number(Double(classes.count) / seconds),
      "tokens_per_second": .number(Double(classes.count * configuration.tokenCount) / seconds),
    ])
  }

  /// What is recorded with the samples, since a result means nothing without it.
  private struct Settings: Encodable {
    var guidance: Guidance
    var draw: DrawOptions
    var precision: SamplingPrecision
  }

  private func settings(_ precision: SamplingPrecision) -> Settings {
    Settings(
      guidance: Guidance(
        scale: guidance, schedule: guidanceSchedule, interval: guidanceFrom...guidanceTo, power: guidancePower
      ),
      draw: DrawOptions(temperature: temperature, topK: topK, topP: topP),
      precision: precision)
  }
}
