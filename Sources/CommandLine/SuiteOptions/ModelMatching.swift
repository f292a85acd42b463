import ImageModels
import StreamFormat
import ToolRuntime

extension ToolSession {
  /// Stops when a model cannot read the tokens of a file: another codebook, grid or vocabulary, or too few views.
  /// - Throws: `ToolError` (bad data).
  public func requireFit(
    _ header: TokenHeader, of file: String, view: Int, to sizes: TransformerConfiguration,
    _ description: ModelDescription, of model: String
  ) throws {
    try requireSameCodebook(header.codebookSHA256, of: file, as: description.codebookSHA256, of: model)
    guard header.rows == sizes.gridRows, header.columns == sizes.gridColumns,
      header.vocabSize == sizes.vocabularySize, view < header.viewCount
    else {
      throw ToolError(
        .badData,
        "\(file): expected \(sizes.vocabularySize) codes on a grid of \(sizes.gridRows)x\(sizes.gridColumns), "
          + "and a view \(view), for \(model); found \(header.vocabSize) codes on \(header.rows)x\(header.columns), "
          + "\(header.viewCount) views")
    }
  }
}
