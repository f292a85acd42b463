import ArgumentParser
import ImageModels
import ToolRuntime

/// The sizes of a tokenizer: a named configuration, and options that change it.
struct TokenizerSizeOptions: ParsableArguments {
  @Option(help: "Named sizes: \(TokenizerConfiguration.named.keys.sorted().joined(separator: ", ")).")
  var model = "VQ-16"
  @Option(help: "Side of the images, in pixels.") var size: Int?
  @Option(help: "Channels of the first level.") var channels: Int?
  @Option(help: "Width of each level as a multiple, such as 1,2,4.") var multipliers: String?
  @Option(help: "Residual blocks a level.") var residualBlocks: Int?
  @Option(help: "Channels around the quantiser.") var zChannels: Int?
  @Option(help: "Codes.") var codes: Int?
  @Option(help: "Dimension of a code.") var codeDimension: Int?
  @Option(help: "Groups of group normalisation.") var groups: Int?
  @Flag(inversion: .prefixedNo, help: "Scale latents and codes to length 1.") var normalizeCodes = true

  func validate() throws {
    if TokenizerConfiguration.named[model] == nil {
      throw ValidationError(
        "--model must be one of \(TokenizerConfiguration.named.keys.sorted().joined(separator: ", ")), not '\(model)'."
      )
    }
    if multipliers != nil && levels == nil {
      throw ValidationError("--multipliers must be numbers such as 1,2,4.")
    }
  }

  private var levels: [Int]? { multipliers.flatMap { commaSeparated($0) { Int($0) } } }

  /// The sizes asked for; nil for an unknown name.
  var configuration: TokenizerConfiguration? {
    guard var sizes = TokenizerConfiguration.named[model] else { return nil }
    sizes.imageSize = size ?? sizes.imageSize
    sizes.channels = channels ?? sizes.channels
    if let levels { sizes.multipliers = levels }
    sizes.residualBlocks = residualBlocks ?? sizes.residualBlocks
    sizes.zChannels = zChannels ?? sizes.zChannels
    sizes.codebookSize = codes ?? sizes.codebookSize
    sizes.codeDimension = codeDimension ?? sizes.codeDimension
    sizes.groups = groups ?? sizes.groups
    sizes.normalizesCodes = normalizeCodes
    return sizes
  }
}
