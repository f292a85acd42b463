import StreamFormat
import ToolRuntime

extension ToolSession {
  /// Stops when two files are about different codebooks.
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
