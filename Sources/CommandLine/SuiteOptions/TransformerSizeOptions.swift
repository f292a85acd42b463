import ArgumentParser
import ImageModels
import LlamaGen
import StreamFormat
import ToolRuntime

/// The sizes of a transformer: a named configuration, and options that change it. Vocabulary, grid and classes
/// come from the tokens.
public struct TransformerSizeOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Named set of sizes, which the options below change: \(TransformerConfiguration.named.keys.sorted().joined(separator: ", ")). "
        + "(default: \(Self.defaultModel))"))
  public var model: String?
  @Option(help: "Number of blocks, from 1 to 511. (default: that of --model)")
  public var layers: Int?
  @Option(help: "Number of attention heads per block; divides the width. (default: that of --model)")
  public var heads: Int?
  @Option(help: "Width of the residual stream, from 4 to 65536. (default: that of --model)")
  public var width: Int?
  @Option(
    help: "The feed-forward width, 8/3 of the width, is rounded up to a multiple of this. (default: 256)")
  public var feedForwardMultiple: Int?

  private static let defaultModel = "GPT-B"

  public init() {}

  public func validate() throws {
    if let model, TransformerConfiguration.named[model] == nil {
      throw ValidationError(
        "--model must be one of \(TransformerConfiguration.named.keys.sorted().joined(separator: ", ")), not '\(model)'."
      )
    }
    if let problem = sizes(vocabulary: 1, rows: 1, columns: 1, classes: 1).problem {
      throw ValidationError(problem + ".")
    }
  }

  /// The sizes for tokens of a file.
  /// - Precondition: the tokens are of one grid.
  public func configuration(for header: TokenHeader) -> TransformerConfiguration {
    precondition(header.layout == .raster, "TransformerSizeOptions: \(header.layout)")
    return sizes(
      vocabulary: header.vocabSize, rows: header.rows, columns: header.columns,
      classes: max(1, header.classCount))
  }

  /// Number of blocks, which does not depend on the tokens.
  public var layerCount: Int { sizes(vocabulary: 1, rows: 1, columns: 1, classes: 1).layers }

  private func sizes(vocabulary: Int, rows: Int, columns: Int, classes: Int) -> TransformerConfiguration {
    let named = TransformerConfiguration.named[model ?? Self.defaultModel] ?? (1, 1, 4)
    var sizes = TransformerConfiguration(
      layers: layers ?? named.layers, heads: heads ?? named.heads, width: width ?? named.width,
      vocabularySize: vocabulary, gridRows: rows, gridColumns: columns, classCount: classes)
    sizes.feedForwardMultiple = feedForwardMultiple ?? sizes.feedForwardMultiple
    return sizes
  }

  /// Names of the options that were given.
  var given: [String] {
    let options: [(String, Bool)] = [
      ("--model", model != nil), ("--layers", layers != nil), ("--heads", heads != nil),
      ("--width", width != nil), ("--feed-forward-multiple", feedForwardMultiple != nil),
    ]
    return options.filter(\.1).map(\.0)
  }

  /// The sizes of another model for tokens of a file: vocabulary, grid and classes are those of the tokens.
  /// - Precondition: the tokens are of one grid.
  public func configuration(of other: TransformerConfiguration, for header: TokenHeader)
    -> TransformerConfiguration
  {
    let own = configuration(for: header)
    var sizes = other
    (sizes.gridRows, sizes.gridColumns, sizes.classCount) = (own.gridRows, own.gridColumns, own.classCount)
    return sizes
  }
}
