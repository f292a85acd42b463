import ArgumentParser
import ImageModels
import LlamaGen
import ToolRuntime

/// The sizes of a tokenizer: a named configuration, and options that change it.
struct TokenizerSizeOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Named set of sizes, which the options below change: \(TokenizerConfiguration.named.keys.sorted().joined(separator: ", ")). "
        + "(default: \(Self.defaultModel))"))
  var model: String?
  @Option(help: "Side of the images in pixels. (default: that of --model)") var size: Int?
  @Option(help: "Number of channels of the first level. (default: that of --model)") var channels: Int?
  @Option(
    help: ArgumentHelp(
      "Width of each level as a multiple of --channels, such as 1,2,4; each level but the last "
        + "halves the image."))
  var multipliers: String?
  @Option(help: "Number of residual blocks per level of the encoder; the decoder has one more.")
  var residualBlocks: Int?
  @Option(
    help: ArgumentHelp(
      "Levels, counted from 0 at full size, with attention after each residual block, such as 3,4. (default: "
        + "the last)"))
  var attentionLevels: String?
  @Option(help: "Number of channels before and after the quantiser.") var zChannels: Int?
  @Option(
    help: ArgumentHelp(
      "vq: codes are trained; fsq: latents are rounded to --levels; lfq: a code is the signs of a latent. (default: vq)"
    ))
  var quantizer: QuantizerName?
  @Option(
    help: ArgumentHelp(
      "fsq: number of values of each dimension, such as 8,5,5,5; their product is the number of codes."))
  var levels: String?
  @Option(help: "K, the number of codes; a power of two with lfq. (default: that of --model)") var codes: Int?
  @Option(help: "Number of dimensions of a code. (default: that of --model)") var codeDimension: Int?
  @Option(help: "Number of groups of group normalisation; divides the width of every level.") var groups: Int?
  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp(
      "Scale latents and codes to length 1 before they are compared. (default: that of --model; never with --scales, fsq and "
        + "lfq)"))
  var normalizeCodes: Bool?
  @Option(
    help: ArgumentHelp(
      "VAR: sides of the grids of tokens, ascending to the side of the latents, such as 1,2,3,4. (default: that of "
        + "--model)"))
  var scales: String?
  @Option(help: "VAR: number of convolutions phi that the scales share; 0 means one for each.")
  var phiCount: Int?
  @Option(help: "VAR: r in phi(h) = (1 - r) h + r conv(h), from 0 to 1.") var residualRatio: Double?
  @Flag(inversion: .prefixedNo, help: "VAR: take the code of the largest cosine, not the nearest one.")
  var cosine: Bool?

  private static let defaultModel = "VQ-16"

  /// The quantisers by name.
  enum QuantizerName: String, ExpressibleByArgument, CaseIterable { case vq, fsq, lfq }

  func validate() throws {
    if let model, TokenizerConfiguration.named[model] == nil {
      throw ValidationError(
        "--model must be one of \(TokenizerConfiguration.named.keys.sorted().joined(separator: ", ")), not '\(model)'."
      )
    }
    if multipliers != nil && widths == nil {
      throw ValidationError("--multipliers must be numbers such as 1,2,4.")
    }
    if scales != nil && sides == nil { throw ValidationError("--scales must be numbers such as 1,2,3,4.") }
    if configuration?.multiScale == nil && (phiCount != nil || residualRatio != nil || cosine != nil) {
      throw ValidationError(
        "--phi-count, --residual-ratio and --cosine need --scales or a --model that has scales.")
    }
    if attentionLevels != nil && attending == nil {
      throw ValidationError("--attention-levels must be numbers such as 3,4.")
    }
    try validateQuantizer()
  }

  private func validateQuantizer() throws {
    if (levels != nil) != (quantizer == .fsq) {
      throw ValidationError("--quantizer fsq needs --levels, and --levels needs --quantizer fsq.")
    }
    if levels != nil && valueCounts == nil {
      throw ValidationError(
        "--levels must be numbers from 2 on such as 8,5,5,5, with a product of at most 2^20.")
    }
    guard let quantizer, quantizer != .vq else { return }
    let others: [(String, Bool)] = [
      ("--code-dimension", codeDimension != nil), ("--normalize-codes", normalizeCodes != nil),
      ("--codes", codes != nil && quantizer == .fsq), ("--scales", scales != nil),
    ]
    if let name = others.first(where: \.1)?.0 {
      throw ValidationError("\(name) does not go with --quantizer \(quantizer.rawValue); leave it out.")
    }
    if let codes, codes < 2 || codes & (codes - 1) != 0 {
      throw ValidationError("--codes must be a power of two with --quantizer lfq, not \(codes).")
    }
  }

  /// The numbers of --levels.
  private var valueCounts: [Int]? {
    guard let counts = levels.flatMap({ commaSeparated($0) { Int($0) } }),
      counts.allSatisfy({ (2...1 << 20).contains($0) }), counts.count <= 20,
      counts.reduce(1, { min($0 * $1, 1 << 30) }) <= 1 << 20
    else { return nil }
    return counts
  }

  private var widths: [Int]? { multipliers.flatMap { commaSeparated($0) { Int($0) } } }

  private var sides: [Int]? { scales.flatMap { commaSeparated($0) { Int($0) } } }

  private var attending: [Int]? { attentionLevels.flatMap { commaSeparated($0) { Int($0) } } }

  /// Names of the options that were given, without the size of the images, which any tokenizer can read.
  var given: [String] {
    let options: [(String, Bool)] = [
      ("--model", model != nil), ("--channels", channels != nil), ("--multipliers", multipliers != nil),
      ("--residual-blocks", residualBlocks != nil), ("--attention-levels", attentionLevels != nil),
      ("--z-channels", zChannels != nil), ("--quantizer", quantizer != nil), ("--levels", levels != nil),
      ("--codes", codes != nil),
      ("--code-dimension", codeDimension != nil), ("--groups", groups != nil),
      ("--normalize-codes", normalizeCodes != nil), ("--scales", scales != nil),
      ("--phi-count", phiCount != nil),
      ("--residual-ratio", residualRatio != nil), ("--cosine", cosine != nil),
    ]
    return options.filter(\.1).map(\.0)
  }

  /// The sizes asked for; nil for an unknown name.
  var configuration: TokenizerConfiguration? {
    guard var sizes = TokenizerConfiguration.named[model ?? Self.defaultModel] else { return nil }
    sizes.imageSize = size ?? sizes.imageSize
    sizes.channels = channels ?? sizes.channels
    if let widths { sizes.multipliers = widths }
    sizes.residualBlocks = residualBlocks ?? sizes.residualBlocks
    sizes.zChannels = zChannels ?? sizes.zChannels
    sizes.codebookSize = codes ?? sizes.codebookSize
    sizes.codeDimension = codeDimension ?? sizes.codeDimension
    sizes.groups = groups ?? sizes.groups
    sizes.attentionLevels = attending
    sizes.multiScale = multiScale(sizes.multiScale)
    if sides != nil { sizes.codeKernel = 3 }
    sizes.normalizesCodes = normalizeCodes ?? (sizes.multiScale == nil && sizes.normalizesCodes)
    setGrid(&sizes)
    return sizes
  }

  /// Codes that are a fixed grid, where they are asked for.
  private func setGrid(_ sizes: inout TokenizerConfiguration) {
    switch quantizer {
    case .fsq:
      let counts = valueCounts ?? []
      (sizes.codeDimension, sizes.codebookSize) = (counts.count, counts.reduce(1, *))
      sizes.setQuantizer(.finiteScalar(levels: counts))
    case .lfq:
      // A named set of sizes with another number of codes is refused by its problem.
      sizes.codeDimension = max(1, sizes.codebookSize.trailingZeroBitCount)
      sizes.setQuantizer(.lookupFree)
    case .vq, nil: break
    }
  }

  private func multiScale(_ named: MultiScaleConfiguration?) -> MultiScaleConfiguration? {
    guard var result = named ?? sides.map({ MultiScaleConfiguration(scales: $0) }) else { return nil }
    result.scales = sides ?? result.scales
    result.phiCount = phiCount ?? result.phiCount
    result.residualRatio = residualRatio ?? result.residualRatio
    result.comparesByCosine = cosine ?? result.comparesByCosine
    return result
  }
}
