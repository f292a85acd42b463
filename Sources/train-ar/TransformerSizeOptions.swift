import ArgumentParser
import ImageModels
import StreamFormat
import ToolKit

/// The sizes of a transformer: a named configuration, and options that change it. Vocabulary, grid and classes
/// come from the tokens.
struct TransformerSizeOptions: ParsableArguments {
  @Option(help: "Named sizes: \(TransformerConfiguration.named.keys.sorted().joined(separator: ", ")).")
  var model = "GPT-B"
  @Option(help: "Blocks.") var layers: Int?
  @Option(help: "Attention heads.") var heads: Int?
  @Option(help: "Width.") var width: Int?
  @Option(help: "The feed-forward width is rounded up to a multiple of this.") var feedForwardMultiple = 256

  func validate() throws {
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
  /// - Throws: `ToolError` for a layout that a raster model cannot read.
  func configuration(for header: TokenHeader) throws -> TransformerConfiguration {
    guard header.layout == "raster" else {
      throw ToolError(.badData, "tokens: expected the layout raster; found \(header.layout)")
    }
    return sizes(
      vocabulary: header.vocabSize, rows: header.rows, columns: header.columns,
      classes: max(1, header.classCount))
  }

  private func sizes(vocabulary: Int, rows: Int, columns: Int, classes: Int) -> TransformerConfiguration {
    let named = TransformerConfiguration.named[model] ?? (1, 1, 4)
    var sizes = TransformerConfiguration(
      layers: layers ?? named.layers, heads: heads ?? named.heads, width: width ?? named.width,
      vocabularySize: vocabulary, gridRows: rows, gridColumns: columns, classCount: classes)
    sizes.feedForwardMultiple = feedForwardMultiple
    return sizes
  }
}
