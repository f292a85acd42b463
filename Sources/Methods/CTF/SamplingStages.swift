import ImageModels
import StreamFormat

/// A source of tokens: drawn by a model, or read from a file for the second stage.
public protocol FirstStage {
  /// The header of the tokens.
  var header: TokenHeader { get }
  /// Class of each image.
  var labels: [Int] { get }
  /// The tokens [B, N] of some images; nil when interrupted.
  func tokens(of images: Range<Int>) throws -> [[Int]]?
  /// The random stream of an image in the second stage.
  func stream(of image: Int) -> UInt64
}

extension FirstStage {
  /// The image's number.
  public func stream(of image: Int) -> UInt64 { UInt64(image) }
}

/// An autoregressive model that draws tokens: a whole model, or the coarse one of CTF.
public struct ModelStage: FirstStage {
  /// The sizes of the model.
  public let sizes: TransformerConfiguration
  public let header: TokenHeader
  public let labels: [Int]
  private let generator: TokenGenerator
  private let guidance: Guidance
  private let draw: DrawOptions
  private let seed: UInt64
  private let kept: KeptTokens?
  private let method: DrawMethod
  private let window: Int
  private let alike: AlikeCodes
  private let interrupted: () -> Bool

  /// - Parameters:
  ///   - kept: the tokens that images must have, where they are completed.
  ///   - method: how random numbers decide a token.
  ///   - window: places of an image that a pass computes, at least 1; does not change the tokens unless codes are alike.
  ///   - alike: codes of which a draft may stand for the one that was drawn.
  ///   - interrupted: called at every pass; true ends a batch early.
  public init(
    _ model: PackedTransformer, _ description: ModelDescription, labels: [Int], guidance: Guidance,
    draw: DrawOptions, seed: UInt64, kept: KeptTokens? = nil, method: DrawMethod = .cumulative,
    window: Int = 1, alike: AlikeCodes = .none, interrupted: @escaping () -> Bool = { false }
  ) {
    (self.kept, self.method, self.window, self.alike) = (kept, method, window, alike)
    sizes = model.configuration
    header = TokenHeader(
      samplesOf: sizes.classCount, labels: labels, description, codes: sizes.vocabularySize,
      rows: sizes.gridRows,
      columns: sizes.gridColumns)
    self.labels = labels
    generator = TokenGenerator(model)
    (self.guidance, self.draw, self.seed, self.interrupted) = (guidance, draw, seed, interrupted)
  }

  public func tokens(of images: Range<Int>) throws -> [[Int]]? {
    try generator.generate(
      labels: Array(labels[images]), imageIndices: Array(images), guidance: guidance, draw: draw, seed: seed,
      kept: kept, method: method, window: window, alike: alike, interrupted: interrupted)
  }

  /// Tokens of an image that a pass has drawn, on average over all batches so far; nil before the first.
  public var tokensPerPass: Double? { generator.tokensPerPass }
}

extension TokenHeader {
  /// What the samples of a model agree on.
  /// - Parameters:
  ///   - classCount: the model's classes. Images of no class have the label after the last one, and are counted then.
  ///   - labels: those of all samples.
  public init(
    samplesOf classCount: Int, labels: [Int], _ description: ModelDescription, codes: Int, rows: Int,
    columns: Int,
    layout: TokenLayout = .raster
  ) {
    let names = description.classNames
    let unconditional = labels.contains(classCount)
    self.init(
      vocabSize: codes, rows: rows, columns: columns, codebookSHA256: description.codebookSHA256,
      classCount: unconditional ? classCount + 1 : classCount,
      classNames: unconditional && !names.isEmpty ? names + ["no-class"] : names, viewNames: ["sample"],
      layout: layout)
  }
}

/// The coarse tokens of a file (centre view), each repeated for each of its fillings.
public struct FileStage: FirstStage {
  public let header: TokenHeader
  public let labels: [Int]
  private let batch: TokenBatch
  private let fillings: Int

  /// - Parameter fillings: images drawn for each image of the batch.
  public init(_ batch: TokenBatch, fillings: Int) {
    (header, self.batch, self.fillings) = (batch.header, batch, fillings)
    labels = batch.labels.flatMap { [Int](repeating: Int($0), count: fillings) }
  }

  public func tokens(of images: Range<Int>) -> [[Int]]? {
    images.map { batch.tokens(image: $0 / fillings).map(Int.init) }
  }

  /// The first filling of an image uses the random stream of the image, so that it equals the result of
  /// sampling in two stages.
  public func stream(of image: Int) -> UInt64 { UInt64(image % fillings) << 32 | UInt64(image / fillings) }
}

/// CTF's second stage with its settings, which draws fine codes for coarse labels.
public struct FineStage {
  /// The file it was read from, for messages.
  public let path: String
  public let sizes: TransformerConfiguration
  public let description: FineModelDescription
  /// The number in this stage of each class of the first stage; nil where they are the same.
  public var classes: [Int]?
  /// The fine codes that images must have, where they are completed.
  public var kept: KeptTokens?
  /// The coarse label of each fine code.
  public let fineToCoarse: [Int]
  private let generator: FineGenerator
  private let guidance: Float
  private let draw: DrawOptions

  public init(
    _ model: FineModel, _ description: FineModelDescription, path: String, guidance: Float, draw: DrawOptions
  ) {
    (sizes, self.description, self.path) = (model.configuration, description, path)
    fineToCoarse = model.fineToCoarse
    generator = FineGenerator(model)
    (self.guidance, self.draw) = (guidance, draw)
  }

  public func header(for coarse: TokenHeader) -> TokenHeader {
    var header = coarse
    (header.vocabSize, header.codebookSHA256) = (sizes.vocabularySize, description.codebookSHA256)
    header.viewNames = ["sample"]
    return header
  }

  /// Fine codes [B, N] of images.
  /// - Parameter coarse: coarse labels [B, N].
  /// - Throws: `GenerationError`.
  public func fill(_ coarse: [[Int]], labels: [Int], streams: [UInt64], seed: UInt64) throws -> [[Int]] {
    try generator.fill(
      coarse: coarse, labels: classes.map { own in labels.map { own[$0] } } ?? labels, streams: streams,
      guidance: guidance, draw: draw, seed: seed)
  }
}

/// Draws images in one stage or in two. `sample`, `tessera-bench` and the tests share it.
public struct StagedSampler {
  public let first: any FirstStage
  public let second: FineStage?
  private let seed: UInt64

  public init(first: any FirstStage, second: FineStage?, seed: UInt64) {
    (self.first, self.second, self.seed) = (first, second, seed)
  }

  /// The header of the tokens that ``draw(_:)`` gives last.
  public var header: TokenHeader { second?.header(for: first.header) ?? first.header }

  /// The tokens [B, N] of some images after the first stage and after the last one; nil when interrupted.
  /// - Parameter betweenStages: called before the second stage, which cannot be interrupted.
  /// - Throws: `GenerationError`, and what `betweenStages` throws.
  public func draw(
    _ images: Range<Int>, betweenStages: ([[Int]]) throws -> Void = { _ in }
  ) throws -> [[Int]]? {
    guard let tokens = try first.tokens(of: images) else { return nil }
    try betweenStages(tokens)
    guard let second else { return tokens }
    let drawn = try second.fill(
      tokens, labels: Array(first.labels[images]), streams: images.map(first.stream), seed: seed)
    return zip(images, drawn).map { second.kept?.completed($1, image: $0) ?? $1 }
  }
}
