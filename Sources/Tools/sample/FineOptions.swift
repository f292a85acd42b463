import ArgumentParser
import CTF
import ImageModels
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

/// The second stage of coarse-to-fine prediction: its model, how it draws, and the coarse tokens between the stages.
struct FineOptions: ParsableArguments {
  @Option(help: "Fine model file that train-fine wrote; turns the second stage of CTF on.") var fine:
    InputPath?
  @Option(parsing: .unconditional, help: "Guidance scale of the second stage; 1 means no guidance.")
  var fineGuidance: Float = 1
  @Option(
    help: "Temperature of the second stage, at least 0; 0 takes the most probable code. (default: 1)")
  var fineTemperature: Float?
  @Option(help: "k: the second stage draws from the k most probable codes; 0 means all. (default: 0)")
  var fineTopK: Int?
  @Option(
    help: ArgumentHelp(
      "p: the second stage draws from the most probable codes whose probabilities add up to p; "
        + "1 means all. (default: 1)"))
  var fineTopP: Float?
  @Option(help: "Token file to write with the coarse tokens of the first stage.")
  var coarseOutput: OutputPath?
  @Option(help: "Run only the second stage, on the coarse tokens and classes of this token file.")
  var coarseTokens: InputPath?
  @Option(help: "Number of images to draw per image of --coarse-tokens or --keep, from 1 to 1048576.")
  var fillings = 1

  func validate() throws {
    let isChanged =
      coarseOutput != nil || coarseTokens != nil || fineGuidance != 1 || fineTemperature != nil
      || fineTopK != nil || fineTopP != nil
    if fine == nil && isChanged { throw ValidationError("options of the second stage go with --fine.") }
    if coarseOutput != nil && coarseTokens != nil {
      throw ValidationError("--coarse-output keeps what --coarse-tokens is given: leave one of them out.")
    }
    let draw = draw(nil)
    if !(1...1 << 20).contains(fillings) || draw.topK < 0 {
      throw ValidationError("--fillings must be from 1 to 1048576, --fine-top-k not negative.")
    }
    if !(draw.temperature >= 0 && draw.temperature.isFinite) || !(draw.topP > 0 && draw.topP <= 1)
      || !fineGuidance.isFinite
    {
      throw ValidationError(
        "--fine-temperature must not be negative, --fine-top-p above 0 and at most 1, --fine-guidance a finite "
          + "number.")
    }
  }

  /// How a code is drawn.
  func draw(_ preset: SamplingPreset?) -> DrawOptions {
    (preset?.fineDraw ?? DrawOptions()).with(fineTemperature, fineTopK, fineTopP)
  }

  /// Reads the second stage, if there is one.
  /// - Throws: `FormatError`, `StreamError`.
  func read(
    _ session: ToolSession, _ device: @autoclosure () -> Device, _ preset: SamplingPreset?
  ) throws -> FineStage? {
    guard let fine else { return nil }
    let (model, description) = try FineModel.read(session.readRecord(fine), device: device())
    return FineStage(model, description, path: fine.path, guidance: fineGuidance, draw: draw(preset))
  }
}

extension FineStage {
  /// Checks that coarse tokens are this stage's own, and matches their classes to its own.
  /// - Throws: `ToolError` (bad data).
  mutating func fit(_ coarse: TokenHeader, of file: String, _ session: ToolSession) throws {
    try session.requireCoarse(
      coarse.codebookSHA256, of: file, fine: description.codebookSHA256,
      coarse: description.coarseCodebookSHA256, of: path)
    try session.requireRaster(coarse, of: file)
    guard coarse.vocabSize == sizes.inputCodes, coarse.rows == sizes.gridRows,
      coarse.columns == sizes.gridColumns
    else {
      throw ToolError(
        .badData, file,
        expected:
          "\(sizes.inputCodes) coarse labels on a grid of \(sizes.gridRows)x\(sizes.gridColumns), as \(path) has",
        found: "\(coarse.vocabSize) on \(coarse.rows)x\(coarse.columns)",
        try: "the two stages of one training")
    }
    classes = try session.matchClasses(
      ClassList(coarse, file: file),
      to: ClassList(names: description.classNames, count: sizes.classCount, file: path),
      noClass: sizes.noClass)
  }
}
