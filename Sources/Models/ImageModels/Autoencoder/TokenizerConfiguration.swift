import StreamFormat

/// Every size of a VQ autoencoder. Written into tokenizer files under LlamaGen's names.
public struct TokenizerConfiguration: Codable, Equatable, Sendable {
  /// Width of the first level.
  public var channels: Int
  /// Width of each level as a multiple of `channels`; each level but the last halves the image.
  public var multipliers: [Int]
  /// Residual blocks per level in the encoder; the decoder has one more.
  public var residualBlocks: Int
  /// Channels between the autoencoder and the quantiser's convolutions.
  public var zChannels: Int
  /// Codes.
  public var codebookSize: Int
  /// Dimension of a code.
  public var codeDimension: Int
  /// Whether latents and codes are scaled to length 1 before they are compared; nil with a quantiser of a fixed grid, and
  /// only then. A reader that does not know such quantisers misses it, and so refuses the file.
  private var codeNormalization: Bool?
  /// Groups of group normalisation.
  public var groups: Int
  /// Added to the variance in group normalisation.
  public var normEpsilon: Double = 1e-6
  /// Side of the images it was trained on, in pixels.
  public var imageSize: Int
  /// Levels, counted from 0 at full size, whose residual blocks are each followed by attention. The middle has
  /// attention in any case. Nil means the last level alone, as in LlamaGen's tokenizers.
  public var attentionLevels: [Int]?
  /// Side of the kernels of the convolutions around the quantiser, 1 or 3; nil means 1.
  public var codeKernel: Int?
  /// The quantiser of several scales of VAR's tokenizers; nil where an image is one grid of tokens.
  public var multiScale: MultiScaleConfiguration?
  /// FSQ or LFQ, whose codes are a fixed grid; nil for codes that are trained.
  public private(set) var quantizer: GridQuantizerConfiguration?

  enum CodingKeys: String, CodingKey {
    case channels = "ch"
    case multipliers = "ch_mult"
    case residualBlocks = "num_res_blocks"
    case zChannels = "z_channels"
    case codebookSize = "codebook_size"
    case codeDimension = "codebook_embed_dim"
    case codeNormalization = "l2_norm"
    case groups
    case normEpsilon = "group_norm_eps"
    case imageSize = "image_size"
    case attentionLevels = "attn_levels"
    case codeKernel = "quant_conv_kernel"
    case multiScale = "multi_scale"
    case quantizer
  }

  /// VQ-16 unless sizes are given.
  public init(
    channels: Int = 128, multipliers: [Int] = [1, 1, 2, 2, 4], residualBlocks: Int = 2, zChannels: Int = 256,
    codebookSize: Int = 16384, codeDimension: Int = 8, normalizesCodes: Bool = true, groups: Int = 32,
    imageSize: Int = 256, attentionLevels: [Int]? = nil, codeKernel: Int? = nil,
    multiScale: MultiScaleConfiguration? = nil, quantizer: GridQuantizerConfiguration? = nil
  ) {
    (self.channels, self.multipliers, self.residualBlocks) = (channels, multipliers, residualBlocks)
    (self.zChannels, self.codebookSize, self.codeDimension) = (zChannels, codebookSize, codeDimension)
    (codeNormalization, self.groups, self.imageSize) = (normalizesCodes, groups, imageSize)
    (self.attentionLevels, self.codeKernel, self.multiScale) = (attentionLevels, codeKernel, multiScale)
    if let quantizer { setQuantizer(quantizer) }
  }

  /// Whether latents and codes are scaled to length 1 before they are compared.
  public var normalizesCodes: Bool {
    get { codeNormalization ?? false }
    set { codeNormalization = newValue }
  }

  /// Makes the quantiser one of a fixed grid. The number of codes and their dimension stay as they are.
  public mutating func setQuantizer(_ grid: GridQuantizerConfiguration) {
    (quantizer, codeNormalization) = (grid, nil)
  }

  /// How many levels a tokenizer may have.
  public static let levelCounts = 1...8

  /// Pixels to a token, along a side. A number only where the levels are as many as ``levelCounts`` says.
  public var downsampling: Int { 1 << (multipliers.count - 1) }

  /// The order of an image's tokens.
  public var tokenLayout: TokenLayout { multiScale.map { .scales($0.scales) } ?? .raster }

  /// Whether codes are searched by their direction alone, whatever their length.
  public var comparesDirections: Bool { normalizesCodes || multiScale?.comparesByCosine == true }

  /// Whether attention follows each residual block of a level.
  func hasAttention(_ level: Int) -> Bool {
    attentionLevels.map { $0.contains(level) } ?? (level == multipliers.count - 1)
  }

  /// An error text if the sizes do not fit together, or nil.
  public var problem: String? {
    let sizes = [channels, residualBlocks, zChannels, codebookSize, codeDimension, groups, imageSize]
    if (sizes + multipliers).contains(where: { $0 < 1 || $0 > 1 << 20 }) {
      return "every size must be from 1 to 2^20"
    }
    if !Self.levelCounts.contains(multipliers.count) {
      return "1 to 8 levels are possible, not \(multipliers.count)"
    }
    // Widths of this bound keep every product of sizes far from overflow.
    if let width = ([zChannels] + multipliers.map { $0 * channels }).first(where: { $0 > 1 << 16 }) {
      return "width \(width); at most 65536 is possible"
    }
    if residualBlocks > 64 { return "\(residualBlocks) residual blocks per level; at most 64 are possible" }
    if let width = multipliers.map({ $0 * channels }).first(where: { $0 % groups != 0 }) {
      return "width \(width) does not divide into \(groups) groups"
    }
    if let level = attentionLevels?.first(where: { !multipliers.indices.contains($0) }) {
      return "attention at level \(level); the levels are 0 to \(multipliers.count - 1)"
    }
    if let levels = attentionLevels, Set(levels).count < levels.count {
      return "attention twice at one level"
    }
    if !(normEpsilon >= 0 && normEpsilon <= 1) { return "group_norm_eps \(normEpsilon); 0 to 1 is possible" }
    if imageSize % downsampling != 0 { return "image size \(imageSize) is not a multiple of \(downsampling)" }
    if let codeKernel, codeKernel != 1 && codeKernel != 3 {
      return "quant_conv_kernel \(codeKernel); 1 or 3 is possible"
    }
    if (codeNormalization == nil) != (quantizer != nil) {
      return "l2_norm must be there, and must not be there with a quantizer"
    }
    if let problem = quantizer?.problem(codes: codebookSize, dimension: codeDimension) { return problem }
    return multiScaleProblem
  }

  private var multiScaleProblem: String? {
    guard let multiScale else { return nil }
    if let problem = multiScale.problem { return problem }
    if quantizer != nil { return "codes of several scales cannot be a fixed grid (quantizer)" }
    if normalizesCodes { return "codes of several scales cannot be scaled to length 1 (l2_norm)" }
    if multiScale.side * downsampling != imageSize {
      return
        "the last scale is \(multiScale.side), which images of \(multiScale.side * downsampling) pixels have, not "
        + "those of \(imageSize)"
    }
    return nil
  }

  /// Trained scalars, without building the tokenizer.
  public var scalarCount: Int {
    func convolution(_ inputs: Int, _ outputs: Int, kernel: Int = 3) -> Int {
      (inputs * kernel * kernel + 1) * outputs
    }
    func residual(_ inputs: Int, _ outputs: Int) -> Int {
      2 * inputs + convolution(inputs, outputs) + 2 * outputs + convolution(outputs, outputs)
        + (inputs == outputs ? 0 : convolution(inputs, outputs, kernel: 1))
    }
    func attention(_ width: Int) -> Int { 2 * width + 4 * convolution(width, width, kernel: 1) }
    /// Levels in the order in which they are passed, with a convolution between two of them.
    func levels(_ widths: [Int], from first: Int, blocks: Int) -> Int {
      zip([first] + widths, widths).reduce(0) {
        $0 + residual($1.0, $1.1) + (blocks - 1) * residual($1.1, $1.1)
      }
    }
    let widths = multipliers.map { $0 * channels }
    let last = widths[widths.count - 1]
    let resizing = (widths.dropLast() + widths.dropFirst()).reduce(0) { $0 + convolution($1, $1) }
    let encoder = convolution(3, channels) + levels(widths, from: channels, blocks: residualBlocks)
    let decoder =
      convolution(zChannels, last) + levels(widths.reversed(), from: last, blocks: residualBlocks + 1)
    let attending = widths.indices.filter(hasAttention).reduce(0) { $0 + attention(widths[$1]) }
    let inner = 2 * (2 * residual(last, last) + attention(last)) + (2 * residualBlocks + 1) * attending
    let ends = 2 * last + convolution(last, zChannels) + 2 * widths[0] + convolution(widths[0], 3)
    let quantizer =
      codebookSize * codeDimension + convolution(zChannels, codeDimension, kernel: codeKernel ?? 1)
      + convolution(codeDimension, zChannels, kernel: codeKernel ?? 1)
      + (multiScale?.convolutionCount ?? 0) * convolution(codeDimension, codeDimension)
    return encoder + decoder + resizing + inner + ends + quantizer
  }
}
