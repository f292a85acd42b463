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
  @Option(help: "K, the number of codes. (default: that of --model)") var codes: Int?
  @Option(help: "Number of dimensions of a code. (default: that of --model)") var codeDimension: Int?
  @Option(help: "Number of groups of group normalisation; divides the width of every level.") var groups: Int?
  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp(
      "Scale latents and codes to length 1 before they are compared. (default: that of --model; never with --scales)"
    ))
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

  func validate() throws {
    if let model, TokenizerConfiguration.named[model] == nil {
      throw ValidationError(
        "--model must be one of \(TokenizerConfiguration.named.keys.sorted().joined(separator: ", ")), not '\(model)'."
      )
    }
    if multipliers != nil && levels == nil {
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
  }

  private var levels: [Int]? { multipliers.flatMap { commaSeparated($0) { Int($0) } } }

  private var sides: [Int]? { scales.flatMap { commaSeparated($0) { Int($0) } } }

  private var attending: [Int]? { attentionLevels.flatMap { commaSeparated($0) { Int($0) } } }

  /// Names of the options that were given, without the size of the images, which any tokenizer can read.
  var given: [String] {
    let options: [(String, Bool)] = [
      ("--model", model != nil), ("--channels", channels != nil), ("--multipliers", multipliers != nil),
      ("--residual-blocks", residualBlocks != nil), ("--attention-levels", attentionLevels != nil),
      ("--z-channels", zChannels != nil), ("--codes", codes != nil),
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
    if let levels { sizes.multipliers = levels }
    sizes.residualBlocks = residualBlocks ?? sizes.residualBlocks
    sizes.zChannels = zChannels ?? sizes.zChannels
    sizes.codebookSize = codes ?? sizes.codebookSize
    sizes.codeDimension = codeDimension ?? sizes.codeDimension
    sizes.groups = groups ?? sizes.groups
    sizes.attentionLevels = attending
    sizes.multiScale = multiScale(sizes.multiScale)
    if sides != nil { sizes.codeKernel = 3 }
    sizes.normalizesCodes = normalizeCodes ?? (sizes.multiScale == nil && sizes.normalizesCodes)
    return sizes
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
