import StreamFormat
import ToolRuntime

// Two codebooks take part in coarse-to-fine prediction, and a file of the one is easily given for the other.

extension ToolSession {
  /// Stops where fine tokens are asked for and a file is of another codebook, or of the coarse labels.
  /// - Throws: `ToolError` (bad data).
  public func requireFine(_ hash: String, of file: String, fine: String, coarse: String, of other: String)
    throws
  {
    guard hash == coarse, coarse != fine else {
      return try requireSameCodebook(hash, of: file, as: fine, of: other)
    }
    throw ToolError(
      .badData,
      "\(file): expected fine tokens; found coarse labels, those of \(other); try: the tokens before relabel-tokens"
    )
  }

  /// Stops where coarse labels are asked for and a file is of another mapping, or of the fine codes.
  /// - Throws: `ToolError` (bad data).
  public func requireCoarse(_ hash: String, of file: String, fine: String, coarse: String, of other: String)
    throws
  {
    guard hash != coarse else { return }
    throw ToolError(
      .badData,
      hash == fine
        ? "\(file): expected coarse labels; found fine codes, those of \(other); try: relabel-tokens with the mapping"
        : "\(file): expected coarse labels of mapping \(coarse.prefix(12)), that of \(other); found codebook "
          + "\(hash.prefix(12)); try: the files of one mapping")
  }
}
