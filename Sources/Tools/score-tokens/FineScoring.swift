import CTF
import Datasets
import ImageModels
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

/// Scores of the two stages of coarse-to-fine prediction on fine tokens. The fine model holds the mapping to
/// coarse labels.
struct FineScoring {
  let model: FineModel
  let description: FineModelDescription
  let path: String
  /// Of the model, where it is asked for.
  let sha256: String?

  /// - Throws: `FormatError`, `StreamError`.
  init(_ input: InputPath, hashed: Bool, _ session: ToolSession, _ device: Device) throws {
    let record = try session.readRecord(input)
    sha256 = hashed ? record.sha256 : nil
    (model, description) = try FineModel.read(record, device: device)
    path = input.path
  }

  /// Checks that tokens are of this model's fine codes.
  /// - Throws: `ToolError` (bad data).
  func requireFit(_ header: TokenHeader, of file: String, view: Int, _ session: ToolSession) throws {
    try session.requireFine(
      header.codebookSHA256, of: file, fine: description.codebookSHA256,
      coarse: description.coarseCodebookSHA256, of: path)
    try session.requireLayout(header, of: file, view: view, model.configuration, of: path)
  }

  /// Checks that a coarse model's labels are those of this model.
  /// - Throws: `ToolError` (bad data).
  func requireCoarse(_ description: ModelDescription, of file: String, _ session: ToolSession) throws {
    try session.requireCoarse(
      description.codebookSHA256, of: file, fine: self.description.codebookSHA256,
      coarse: self.description.coarseCodebookSHA256, of: path)
  }

  /// The tokens as coarse labels.
  func coarse(_ data: TokenDataset) -> TokenDataset {
    var header = data.header
    (header.vocabSize, header.codebookSHA256) = (
      model.configuration.inputCodes, description.coarseCodebookSHA256
    )
    return data.mapped(to: header, model.fineToCoarse.map { UInt32($0) })
  }
}
