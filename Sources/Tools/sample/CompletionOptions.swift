import ArgumentParser
import CTF
import ImageModels
import StreamFormat
import SuiteOptions
import ToolRuntime

/// Images that are given to be completed.
struct GivenImages {
  /// Their file's header, with its classes.
  let header: TokenHeader
  /// The class of each.
  let labels: [Int]
  /// What is kept of them.
  let tokens: KeptTokens
  /// The shard that their file is, if it is not whole.
  let shard: Shard?
}

/// The images that are completed in place of new ones.
struct CompletionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Complete the images of this token file: all tokens outside of --mask are kept as they are.",
      valueName: "tokens"))
  var keep: InputPath?
  @Option(
    help: ArgumentHelp(
      "The tokens that are drawn: ROWS,COLUMNS, each FIRST:END counted from 0 without the end, or ':' for all; several "
        + "joined by '+'. (default: the lower half)", valueName: "rectangles"))
  var mask: TokenMask?

  func validate() throws {
    if keep == nil && mask != nil { throw ValidationError("--mask goes with --keep.") }
  }

  /// The tokens that are kept, and their classes.
  /// - Parameters:
  ///   - codebook: hash of the codes that are drawn last.
  ///   - sizes: of the model that draws them.
  /// - Throws: `ToolError` (bad data) for tokens of another codebook, grid or vocabulary.
  func read(
    _ session: ToolSession, codebook: String, sizes: TransformerConfiguration, of model: String, fillings: Int
  ) throws -> GivenImages? {
    guard let keep else { return nil }
    let batch = try session.openTokens(keep).readAll()
    try session.requireSameCodebook(batch.header.codebookSHA256, of: keep.path, as: codebook, of: model)
    try session.requireLayout(batch.header, of: keep.path, view: batch.header.centerView, sizes, of: model)
    let drawn = try TokenMask.cells(mask, rows: sizes.gridRows, columns: sizes.gridColumns)
    let kept = KeptTokens(
      (0..<batch.count).map { batch.tokens(image: $0).map(Int.init) }, isKept: drawn.map { !$0 },
      fillings: fillings)
    return GivenImages(
      header: batch.header, labels: batch.labels.map(Int.init), tokens: kept, shard: batch.shard)
  }
}
