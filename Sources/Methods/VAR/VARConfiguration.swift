import ImageModels
import TensorCore

/// Every size of a VAR transformer. Written into model files under the names of VAR's code.
public struct VARConfiguration: Codable, Equatable, Sendable {
  /// Blocks.
  public var layers: Int
  /// Attention heads of a block.
  public var heads: Int
  /// Width of the residual stream, C.
  public var width: Int
  /// Width of the feed-forward layer as a multiple of `width`.
  public var feedForwardRatio: Double = 4
  /// Number of codes, V.
  public var vocabularySize: Int
  /// Dimension of a code, d.
  public var codeDimension: Int
  /// Classes; the embedding has one more row, for "no class".
  public var classCount: Int
  /// Added to the variance in layer norm.
  public var normEpsilon: Double = 1e-6
  /// Whether queries and keys are scaled to length 1, with a factor for each head.
  public var normalizesQueries = true
  /// Whether all blocks share one layer that turns a class into scales, shifts and gates, as the models of 512 pixels do.
  public var sharesConditioning: Bool
  /// Scales and convolutions of the tokenizer.
  public var multiScale: MultiScaleConfiguration

  enum CodingKeys: String, CodingKey {
    case layers = "depth"
    case heads = "num_heads"
    case width = "embed_dim"
    case feedForwardRatio = "mlp_ratio"
    case vocabularySize = "vocab_size"
    case codeDimension = "codebook_embed_dim"
    case classCount = "num_classes"
    case normEpsilon = "norm_eps"
    case normalizesQueries = "attn_l2_norm"
    case sharesConditioning = "shared_aln"
    case multiScale = "multi_scale"
  }

  /// A model with VAR's constants.
  public init(
    layers: Int, heads: Int, width: Int, vocabularySize: Int, codeDimension: Int, classCount: Int,
    multiScale: MultiScaleConfiguration, sharesConditioning: Bool = false
  ) {
    (self.layers, self.heads, self.width) = (layers, heads, width)
    (self.vocabularySize, self.codeDimension, self.classCount) = (vocabularySize, codeDimension, classCount)
    (self.multiScale, self.sharesConditioning) = (multiScale, sharesConditioning)
  }

  /// Tokens of an image, L.
  public var tokenCount: Int { multiScale.tokenCount }
  /// Channels of a head.
  public var headSize: Int { width / heads }
  /// Width of the feed-forward layer.
  public var feedForwardWidth: Int { Int((Double(width) * feedForwardRatio).rounded(.toNearestOrEven)) }
  /// The number of "no class".
  public var noClass: Int { classCount }
  /// The scale of each position.
  public var scaleOfPosition: [Int] {
    multiScale.scales.enumerated().flatMap { [Int](repeating: $0.offset, count: $0.element * $0.element) }
  }

  /// An error text if the sizes do not fit together, or nil.
  public var problem: String? {
    let sizes = [layers, heads, width, vocabularySize, codeDimension, classCount]
    if sizes.contains(where: { $0 < 1 || $0 > 1 << 24 }) { return "every size must be from 1 to 2^24" }
    // Random numbers number their places in 10 bits, two per block. Also, no product of sizes may overflow.
    if layers > 511 { return "\(layers) blocks; at most 511 are possible" }
    if width > 1 << 16 || codeDimension > 1 << 16 {
      return "width \(max(width, codeDimension)); at most 65536 is possible"
    }
    if width % heads != 0 { return "width \(width) does not divide into \(heads) heads" }
    if !(feedForwardRatio > 0 && feedForwardRatio <= 64) || feedForwardWidth < 1 {
      return "mlp_ratio \(feedForwardRatio); above 0 to 64 is possible"
    }
    if !(normEpsilon >= 0 && normEpsilon <= 1) { return "norm_eps \(normEpsilon); 0 to 1 is possible" }
    return multiScale.problem
  }

  /// Trained scalars, without building the model.
  public var scalarCount: Int {
    let first = multiScale.scales[0] * multiScale.scales[0]
    let positions = (first + tokenCount + multiScale.scales.count) * width
    return layers * blockScalars + (sharesConditioning ? conditioningScalars : 0) + positions
      + scalarCount(of: .tokens) + scalarCount(of: .classes) + scalarCount(of: .output)
  }

  /// Scalars of a part.
  func scalarCount(of part: TransformerPart) -> Int {
    let (c, v) = (width, vocabularySize)
    switch part {
    case .tokens: return codeDimension * c + c
    case .classes: return (classCount + 1) * c
    case .output: return 2 * c * c + 2 * c + v * c + v
    case .blocks: return (0..<layers).count { part.contains(block: $0) } * blockScalars
    }
  }

  private var conditioningScalars: Int { 6 * width * width + 6 * width }

  private var blockScalars: Int {
    let (c, h) = (width, feedForwardWidth)
    let attention = 3 * c * c + 2 * c + c * c + c + (normalizesQueries ? heads : 0)
    return attention + 2 * c * h + h + c + (sharesConditioning ? 6 * c : conditioningScalars)
  }

  /// Numbers of the codebook and the convolutions phi, which the model holds as they were.
  public var frozenCount: Int {
    vocabularySize * codeDimension
      + multiScale.convolutionCount * (9 * codeDimension * codeDimension + codeDimension)
  }
}

/// Lower bounds of the memory that a model of these sizes needs, in bytes.
extension VARConfiguration {
  /// The parameters in float32.
  public var parameterBytes: Double { 4 * Double(scalarCount + frozenCount) }

  /// What the backward pass of one image needs of all blocks: what both norms give, what both gates multiply, queries and keys of
  /// length 1, and the feed-forward layer before GELU; and in the format of products queries, keys and values, and the inputs of
  /// the four products.
  /// - Parameter frozen: what is not trained. The products of frozen blocks need no inputs.
  public func trainingBytesPerImage(_ precision: Precision, frozen: [TransformerPart] = []) -> Double {
    let values = 4 * ((normalizesQueries ? 6 : 4) * width + feedForwardWidth)
    let channels = (0..<layers).reduce(0) { sum, block in
      let isFrozen = frozen.contains { $0.contains(block: block) }
      let inputs = isFrozen ? 0 : 3 * width + feedForwardWidth
      return sum + values + (3 * width + inputs) * precision.bytes
    }
    return Double(tokenCount) * Double(channels)
  }

  /// The trained parameters in float32, or fewer where parts overlap.
  public func trainedBytes(frozen: [TransformerPart]) -> Double {
    4 * Double(max(0, scalarCount - frozen.reduce(0) { $0 + scalarCount(of: $1) }))
  }

  /// What one block holds for one image without a backward pass.
  public var passBytesPerImage: Double {
    Double(tokenCount) * Double(width + max(3 * width, 2 * feedForwardWidth)) * 4
  }

  /// The logits of one image.
  public var logitBytesPerImage: Double { Double(tokenCount) * Double(vocabularySize) * 4 }

  /// The keys and values of one image, with class and without.
  public var cacheBytes: Double { Double(layers) * Double(tokenCount) * Double(4 * width) * 4 }
}

extension VARConfiguration {
  /// Blocks by name: VAR's, whose width is 64 times the blocks and which have as many heads, and small ones of our own.
  public static let named: [String: (layers: Int, heads: Int, width: Int)] = [
    "VAR-d16": (16, 16, 1024), "VAR-d20": (20, 20, 1280), "VAR-d24": (24, 24, 1536),
    "VAR-d30": (30, 30, 1920),
    "VAR-d36": (36, 36, 2304), "CPU-VAR-tiny": (4, 4, 128), "CPU-VAR-small": (6, 4, 256),
    "CPU-VAR-medium": (8, 6, 384),
  ]
}
