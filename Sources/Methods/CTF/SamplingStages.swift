import ImageModels
import StreamFormat
import ToolKit

/// What is recorded with the samples, since a result means nothing without it.
struct SamplingSettings: Encodable {
  var precision: SamplingPrecision
  var guidance: Guidance?
  var draw: DrawOptions?
  var fineGuidance: Float?
  var fineDraw: DrawOptions?
}

/// Where the tokens that are drawn, or that the second stage is given, come from.
protocol FirstStage {
  /// Of the tokens.
  var header: TokenHeader { get }
  /// Class of each image.
  var labels: [Int] { get }
  /// The tokens [B, N] of some images; nil when interrupted.
  func tokens(of images: Range<Int>) throws -> [[Int]]?
  /// The random stream of an image in the second stage.
  func stream(of image: Int) -> UInt64
}

extension FirstStage {
  func stream(of image: Int) -> UInt64 { UInt64(image) }
}

/// An autoregressive model.
struct ModelStage: FirstStage {
  let header: TokenHeader
  let labels: [Int]
  let generator: TokenGenerator
  let guidance: Guidance
  let draw: DrawOptions
  let session: ToolSession

  init(
    _ model: PackedTransformer, _ description: ModelDescription, labels: [Int], _ guidance: Guidance,
    _ draw: DrawOptions, _ session: ToolSession
  ) {
    let sizes = model.configuration
    let names = description.classNames
    // Images of no class have the label after the last class, and a token file must count it.
    let unconditional = labels.contains(sizes.classCount)
    header = TokenHeader(
      vocabSize: sizes.vocabularySize, rows: sizes.gridRows, columns: sizes.gridColumns,
      codebookSHA256: description.codebookSHA256,
      classCount: unconditional ? sizes.classCount + 1 : sizes.classCount,
      classNames: unconditional && !names.isEmpty ? names + ["no-class"] : names, viewNames: ["sample"])
    self.labels = labels
    generator = TokenGenerator(model)
    (self.guidance, self.draw, self.session) = (guidance, draw, session)
  }

  func tokens(of images: Range<Int>) throws -> [[Int]]? {
    try generator.generate(
      labels: Array(labels[images]), imageIndices: Array(images), guidance: guidance, draw: draw,
      seed: session.seed, interrupted: { session.interruption.isRaised })
  }
}

/// Coarse tokens of a file, first view, each as often as it is to be filled.
struct FileStage: FirstStage {
  let header: TokenHeader
  let labels: [Int]
  let batch: TokenBatch
  let fillings: Int

  init(_ batch: TokenBatch, fillings: Int) {
    (header, self.batch, self.fillings) = (batch.header, batch, fillings)
    labels = batch.labels.flatMap { [Int](repeating: Int($0), count: fillings) }
  }

  func tokens(of images: Range<Int>) -> [[Int]]? {
    images.map { batch.tokens(image: $0 / fillings).map(Int.init) }
  }

  /// The first filling of an image has the image's own stream, so that one filling repeats what sampling drew.
  func stream(of image: Int) -> UInt64 { UInt64(image % fillings) << 32 | UInt64(image / fillings) }
}
