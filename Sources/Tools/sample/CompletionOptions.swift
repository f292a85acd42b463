import ArgumentParser
import CTF
import ImageModels
import StreamFormat
import SuiteOptions
import ToolRuntime

/// Images that are given to be completed.
struct GivenImages {
  /// The classes of their file.
  let classes: ClassList
  /// The class of each.
  let labels: [Int]
  /// What is kept of them.
  let tokens: KeptTokens
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
        + "joined by '+'. (default: the lower half)", valueName: "rectangles"), transform: TokenMask.parse)
  var mask: TokenMask?

  func validate() throws {
    if keep == nil && mask != nil { throw ValidationError("--mask goes with --keep.") }
  }

  /// The tokens that are kept, and their classes.
  /// - Parameters:
  ///   - codebook: hash of the codes that are drawn last.
  ///   - sizes: of the model that draws them.
  /// - Returns: nil where no images are completed.
  /// - Throws: `ToolError` (bad data) for tokens of another codebook, grid or vocabulary, and for a lone shard that is to be
  ///   completed in shards.
  func read(
    _ session: ToolSession, codebook: String, sizes: TransformerConfiguration, of model: String,
    _ sharding: ShardOptions, fillings: Int
  ) throws -> GivenImages? {
    guard let keep else { return nil }
    let batch = try session.openTokens(keep).readAll()
    try sharding.requireWhole(batch.shard, of: keep.path)
    try session.requireSameCodebook(batch.header.codebookSHA256, of: keep.path, as: codebook, of: model)
    try session.requireLayout(batch.header, of: keep.path, view: batch.header.centerView, sizes, of: model)
    let drawn = try TokenMask.cells(mask, rows: sizes.gridRows, columns: sizes.gridColumns)
    let kept = KeptTokens(
      (0..<batch.count).map { batch.tokens(image: $0).map(Int.init) }, isKept: drawn.map { !$0 },
      fillings: fillings)
    return GivenImages(
      classes: ClassList(batch.header, file: keep.path), labels: batch.labels.map(Int.init), tokens: kept)
  }

  /// What the first stage keeps, in its own tokens, and the class of each image.
  /// - Parameter classes: those of the model.
  /// - Throws: `ToolError` (bad data) for a class that the model does not have.
  func start(
    _ given: GivenImages, _ classes: ClassList, _ fine: FineStage?, fillings: Int, _ session: ToolSession
  ) throws -> (kept: KeptTokens?, labels: [Int]) {
    let matched = try session.matchClasses(given.classes, to: classes, noClass: classes.count)
    let labels = given.labels.flatMap { [Int](repeating: matched[$0], count: fillings) }
    return (fine.map { given.tokens.mapped($0.fineToCoarse) } ?? given.tokens, labels)
  }

  /// The coarse tokens of --coarse-tokens must be those of the images of --keep, and of their classes.
  /// - Throws: `ToolError` (bad data).
  func requireSame(
    _ given: GivenImages?, _ fine: FineStage?, _ stage: FileStage, _ coarse: InputPath, fillings: Int,
    _ session: ToolSession
  ) throws {
    guard let given, let fine, let kept = fine.kept else { return }
    func refuse(_ expected: String, _ found: String) -> ToolError {
      ToolError(
        .badData, keep?.path ?? "",
        expected: "\(expected) of \(coarse.path)",
        found: found,
        try: "the tokens that the coarse ones were made from")
    }
    guard kept.count == stage.labels.count else {
      throw refuse("the \(stage.labels.count / fillings) images", "\(kept.count / fillings)")
    }
    let classes = ClassList(stage.header, file: coarse.path)
    let matched = try session.matchClasses(given.classes, to: classes, noClass: classes.count)
    if let image = given.labels.indices.first(where: {
      matched[given.labels[$0]] != stage.labels[$0 * fillings]
    }) {
      throw refuse(
        "class \(stage.labels[image * fillings]) for image \(image)", "class \(matched[given.labels[image]])")
    }
    let labels = kept.mapped(fine.fineToCoarse)
    for image in stride(from: 0, to: kept.count, by: fillings) {
      let tokens = stage.tokens(of: image..<image + 1)?[0] ?? []
      if let place = tokens.indices.first(where: { (labels[image, $0] ?? tokens[$0]) != tokens[$0] }) {
        throw refuse(
          "the coarse label \(tokens[place])",
          "\(labels[image, place] ?? 0) at place \(place) of image \(image / fillings)")
      }
    }
  }
}
