/// Every size of a LlamaGen transformer. Written into model files under the field's usual names.
public struct TransformerConfiguration: Codable, Equatable, Sendable {
  /// Blocks.
  public var layers: Int
  /// Attention heads of a block.
  public var heads: Int
  /// Width of the residual stream.
  public var width: Int
  /// Number of codes.
  public var vocabularySize: Int
  /// Number of codes of an input token, if it differs from the predicted ones: the coarse labels of a fine
  /// model. Nil for other models, and then absent in files.
  public var inputVocabularySize: Int?
  /// Rows of the token grid.
  public var gridRows: Int
  /// Columns of the token grid.
  public var gridColumns: Int
  /// Classes; the embedding has one more row, for "no class".
  public var classCount: Int
  /// Base of the rotary frequencies.
  public var ropeBase: Double = 10000
  /// Added under the root in RMSNorm.
  public var normEpsilon: Double = 1e-5
  /// The feed-forward width is rounded up to a multiple of this.
  public var feedForwardMultiple: Int = 256

  enum CodingKeys: String, CodingKey {
    case layers = "n_layer"
    case heads = "n_head"
    case width = "dim"
    case vocabularySize = "vocab_size"
    case inputVocabularySize = "input_vocab_size"
    case gridRows = "grid_rows"
    case gridColumns = "grid_columns"
    case classCount = "num_classes"
    case ropeBase = "rope_base"
    case normEpsilon = "norm_eps"
    case feedForwardMultiple = "multiple_of"
  }

  /// A model of given sizes with LlamaGen's constants.
  public init(
    layers: Int, heads: Int, width: Int, vocabularySize: Int, gridRows: Int, gridColumns: Int, classCount: Int
  ) {
    (self.layers, self.heads, self.width) = (layers, heads, width)
    (self.vocabularySize, self.classCount) = (vocabularySize, classCount)
    (self.gridRows, self.gridColumns) = (gridRows, gridColumns)
  }

  /// Rows of the token embedding.
  public var inputCodes: Int { inputVocabularySize ?? vocabularySize }
  /// Tokens of an image.
  public var tokenCount: Int { gridRows * gridColumns }
  /// Channels of a head.
  public var headSize: Int { width / heads }
  /// Width of the feed-forward layer: two thirds of four times the width, rounded up.
  public var feedForwardWidth: Int {
    let hidden = 2 * 4 * width / 3
    return (hidden + feedForwardMultiple - 1) / feedForwardMultiple * feedForwardMultiple
  }
  /// The number of "no class".
  public var noClass: Int { classCount }

  /// An error text if the sizes do not fit together, or nil.
  public var problem: String? {
    let sizes = [
      layers, heads, width, vocabularySize, gridRows, gridColumns, classCount, feedForwardMultiple,
      inputCodes,
    ]
    if sizes.contains(where: { $0 < 1 || $0 > 1 << 24 }) { return "every size must be from 1 to 2^24" }
    // Dropout numbers its places in 10 bits, two per layer. Also, no product of sizes may overflow.
    if layers > 511 { return "\(layers) layers; at most 511 are possible" }
    if width > 1 << 16 { return "width \(width); at most 65536 is possible" }
    if tokenCount > 1 << 16 { return "a grid of \(tokenCount) tokens; at most 65536 are possible" }
    if !(normEpsilon >= 0 && normEpsilon <= 1) { return "norm_eps \(normEpsilon); 0 to 1 is possible" }
    if !(ropeBase > 0 && ropeBase.isFinite) { return "rope_base \(ropeBase); a number above 0 is possible" }
    if width % heads != 0 { return "width \(width) does not divide into \(heads) heads" }
    if headSize % 4 != 0 {
      return "head size \(headSize) is not a multiple of 4, as 2-D rotary embedding needs"
    }
    return nil
  }

  /// Scalars of a block.
  var blockScalars: Int { 4 * width * width + 3 * width * feedForwardWidth + 2 * width }

  /// Trained scalars, without building the model.
  public var scalarCount: Int {
    layers * blockScalars + width + (inputCodes + vocabularySize + classCount + 1) * width
  }
}
