/// How a published model draws the images that its published figures are of.
public struct SamplingPreset: Sendable {
  /// The model that the settings are for.
  public enum Model: Sendable {
    /// A transformer of these sizes on a square grid of tokens.
    case raster(layers: Int, heads: Int, width: Int, side: Int)
    /// A transformer of any size on a square grid of coarse labels, with a second stage.
    case coarse(labels: Int, side: Int)
    /// A transformer of these sizes that predicts scale by scale; the side of its last grid.
    case scales(layers: Int, heads: Int, width: Int, side: Int)
  }

  /// As the user names it.
  public let name: String
  public let model: Model
  /// Guidance scale, by the usual schedule of such models.
  public let guidance: Double
  public let draw: DrawOptions
  /// How the second stage draws, where there is one.
  public let fineDraw: DrawOptions?
  /// Side in pixels to which the images are scaled before they are judged.
  public let evaluationSize: Int
  /// Side of the images in pixels.
  public let imageSize: Int

  public init(
    _ name: String, _ model: Model, guidance: Double, draw: DrawOptions = DrawOptions(),
    fineDraw: DrawOptions? = nil, imageSize: Int, evaluationSize: Int
  ) {
    (self.name, self.model, self.guidance, self.draw) = (name, model, guidance, draw)
    (self.fineDraw, self.imageSize, self.evaluationSize) = (fineDraw, imageSize, evaluationSize)
  }

  /// The model in words, for messages.
  public var modelWords: String {
    switch model {
    case .raster(let layers, let heads, let width, let side):
      "\(layers) layers, \(heads) heads and width \(width) on a grid of \(side)x\(side)"
    case .coarse(let labels, let side): "\(labels) coarse labels on a grid of \(side)x\(side)"
    case .scales(let layers, let heads, let width, let side):
      "\(layers) layers, \(heads) heads and width \(width) on scales up to \(side)x\(side)"
    }
  }

  /// Whether a model of one grid is the published one.
  public func fits(_ sizes: TransformerConfiguration) -> Bool {
    switch model {
    case .raster(let layers, let heads, let width, let side):
      (sizes.layers, sizes.heads, sizes.width) == (layers, heads, width)
        && (sizes.gridRows, sizes.gridColumns) == (side, side)
    case .coarse(let labels, let side):
      (sizes.vocabularySize, sizes.gridRows, sizes.gridColumns) == (labels, side, side)
    case .scales: false
    }
  }
}
