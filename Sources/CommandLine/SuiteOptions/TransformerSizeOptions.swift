import ArgumentParser
import ImageModels
import LlamaGen
import StreamFormat
import ToolRuntime

/// The sizes of a transformer: a named configuration, and options that change it. Vocabulary, grid and classes
/// come from the tokens.
public struct TransformerSizeOptions: ParsableArguments {
  @Option(
    help:
      "Named set of sizes, which the options below change: \(TransformerConfiguration.named.keys.sorted().joined(separator: ", "))."
  )
  public var model = "GPT-B"
  @Option(help: "Number of blocks, from 1 to 511. (default: that of --model)")
  public var layers: Int?
  @Option(help: "Number of attention heads per block; divides the width. (default: that of --model)")
  public var heads: Int?
  @Option(help: "Width of the residual stream, from 4 to 65536. (default: that of --model)")
  public var width: Int?
  @Option(help: "The feed-forward width, 8/3 of the width, is rounded up to a multiple of this.")
  public var feedForwardMultiple = 256

  public init() {}

  public func validate() throws {
    if TransformerConfiguration.named[model] == nil {
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
    let named = TransformerConfiguration.named[model] ?? (1, 1, 4)
    var sizes = TransformerConfiguration(
      layers: layers ?? named.layers, heads: heads ?? named.heads, width: width ?? named.width,
      vocabularySize: vocabulary, gridRows: rows, gridColumns: columns, classCount: classes)
    sizes.feedForwardMultiple = feedForwardMultiple
    return sizes
  }
}
