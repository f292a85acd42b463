import CTF
import ImageModels
import StreamFormat

/// A VAR transformer that draws tokens.
public struct ScaleStage: FirstStage {
  /// The sizes of the model.
  public let sizes: VARConfiguration
  public let header: TokenHeader
  public let labels: [Int]
  private let generator: ScaleGenerator
  private let guidance: Guidance
  private let draw: DrawOptions
  private let seed: UInt64
  private let interrupted: () -> Bool

  /// - Parameter interrupted: called at every scale; true ends a batch early.
  public init(
    _ model: VARTransformer, _ description: ModelDescription, labels: [Int], guidance: Guidance,
    draw: DrawOptions, seed: UInt64, interrupted: @escaping () -> Bool = { false }
  ) {
    sizes = model.configuration
    header = TokenHeader(
      samplesOf: sizes.classCount, labels: labels, description, codes: sizes.vocabularySize,
      rows: sizes.multiScale.side, columns: sizes.multiScale.side, layout: .scales(sizes.multiScale.scales))
    self.labels = labels
    generator = ScaleGenerator(model)
    (self.guidance, self.draw, self.seed, self.interrupted) = (guidance, draw, seed, interrupted)
  }

  public func tokens(of images: Range<Int>) throws -> [[Int]]? {
    try generator.generate(
      labels: Array(labels[images]), imageIndices: Array(images), guidance: guidance, draw: draw, seed: seed,
      interrupted: interrupted)
  }
}
