import StreamFormat
import ToolRuntime

extension ToolSession {
  /// Checks that two files belong to the same codebook.
  /// - Throws: `ToolError` (bad data).
  public func requireSameCodebook(
    _ hash: String, of file: String, as expected: String, of other: String
  ) throws {
    guard hash != expected else { return }
    throw ToolError(
      .badData,
      "\(file): expected codes of codebook \(expected.prefix(12)), that of \(other); found codebook \(hash.prefix(12)); "
        + "try: the tokenizer and mapping that these tokens were made with")
  }
}
