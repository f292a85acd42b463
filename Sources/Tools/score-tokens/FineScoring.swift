import CTF
import ImageModels
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

/// Scores of the two stages of coarse-to-fine prediction, on fine tokens whose coarse labels the fine model knows.
struct FineScoring {
  let model: FineModel
  let description: FineModelDescription
  let path: String

  /// - Throws: `FormatError`, `StreamError`.
  init(_ input: InputPath, _ session: ToolSession, _ device: Device) throws {
    (model, description) = try FineModel.read(session.readRecord(input), device: device)
    path = input.path
  }

  /// Checks that tokens are of this model's fine codes.
  /// - Throws: `ToolError` (bad data).
  func requireFit(_ header: TokenHeader, of file: String, view: Int, _ session: ToolSession) throws {
    try session.requireFine(
      header.codebookSHA256, of: file, fine: description.codebookSHA256,
      coarse: description.coarseCodebookSHA256, of: path)
    try session.requireLayout(header, of: file, model.configuration, view: view)
  }

  /// Checks that a coarse model's labels are those of this model.
  /// - Throws: `ToolError` (bad data).
  func requireCoarse(_ description: ModelDescription, of file: String, _ session: ToolSession) throws {
    try session.requireCoarse(
      description.codebookSHA256, of: file, fine: self.description.codebookSHA256,
      coarse: self.description.coarseCodebookSHA256, of: path)
  }

  /// The tokens as coarse labels.
  func coarse(_ batch: TokenBatch) -> TokenBatch {
    var header = batch.header
    (header.vocabSize, header.codebookSHA256) = (
      model.configuration.inputCodes, description.coarseCodebookSHA256
    )
    return TokenBatch(
      header: header, tokens: batch.tokens.map { UInt32(model.fineToCoarse[Int($0)]) }, labels: batch.labels,
      skipped: batch.skipped)
  }
}

extension ToolSession {
  /// Checks grid, vocabulary and views of tokens that a model is to score.
  /// - Throws: `ToolError` (bad data).
  func requireLayout(_ header: TokenHeader, of file: String, _ sizes: TransformerConfiguration, view: Int)
    throws
  {
    guard header.rows == sizes.gridRows, header.columns == sizes.gridColumns,
      header.vocabSize == sizes.vocabularySize, view < header.viewCount
    else {
      throw ToolError(
        .badData,
        "\(file): expected \(sizes.vocabularySize) codes on a grid of \(sizes.gridRows)x\(sizes.gridColumns), and a "
          + "view \(view); found \(header.vocabSize) codes on \(header.rows)x\(header.columns), "
          + "\(header.viewCount) views")
    }
  }
}
