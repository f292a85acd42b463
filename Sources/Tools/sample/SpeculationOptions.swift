import ArgumentParser
import ImageModels
import StreamFormat
import SuiteOptions
import ToolRuntime

extension DrawMethod: ExpressibleByArgument {}

/// How many places a pass computes, how random numbers decide a token, and which guesses count as right.
struct SpeculationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Places of an image that a pass computes, from 1 to 1024; does not change the images, but for the three options below. More "
        + "than 1 pays for few images at a time, with --draw-method gumbel.", valueName: "places"))
  var speculate = 1
  @Option(
    help: ArgumentHelp(
      "How random numbers decide a token: by one number per token, or by the Gumbel-max trick. Both draw from the "
        + "same distribution, with other images.", valueName: "method"))
  var drawMethod = DrawMethod.cumulative
  @Option(
    help: ArgumentHelp(
      "Lossy: with --speculate, a guess is right if it lies in the same block of n codes as the token drawn, as IAR's clusters do "
        + "in the rearranged codebook.", valueName: "n"))
  var alikeBlocks: Int?
  @Option(
    help: ArgumentHelp(
      "Lossy: with --speculate, a guess is right if this mapping of cluster-codebook gives it the coarse label of the token drawn.",
      valueName: "mapping"))
  var alikeClusters: InputPath?
  @Option(
    help: ArgumentHelp(
      "Lossy: with --speculate, a guess is right if it and the token drawn lie in the same n of the codes, sorted by their "
        + "probability at the place.", valueName: "n"))
  var alikeRanks: Int?

  func validate() throws {
    if !(1...1024).contains(speculate) { throw ValidationError("--speculate must be from 1 to 1024.") }
    let given = [alikeBlocks != nil, alikeClusters != nil, alikeRanks != nil].filter { $0 }.count
    if given > 1 {
      throw ValidationError("give one of --alike-blocks, --alike-clusters and --alike-ranks.")
    }
    if given == 1 && speculate == 1 {
      throw ValidationError(
        "--alike-blocks, --alike-clusters and --alike-ranks say which guesses of --speculate are right; give it too."
      )
    }
    if min(alikeBlocks ?? 2, alikeRanks ?? 2) < 2 {
      throw ValidationError("--alike-blocks and --alike-ranks must be at least 2.")
    }
  }

  /// The method for the record, which has it only where it is not the usual one.
  var recordedMethod: DrawMethod? { drawMethod == .cumulative ? nil : drawMethod }

  /// The guesses that count as right, and the places per pass, for the record: only where they change the images.
  var recordedAlike: String? {
    let words =
      alikeBlocks.map { "blocks of \($0)" } ?? alikeRanks.map { "ranks of \($0)" }
      ?? alikeClusters.map { _ in "clusters" }
    return words.map { "\($0), \(speculate) places" }
  }

  /// The codes that count as alike.
  /// - Parameters:
  ///   - description: of the model, whose codes they are.
  ///   - codes: the number of its codes.
  /// - Throws: `ToolError` (bad data) for a mapping of another codebook or of another kind, and for more codes than there are.
  func alike(_ description: ModelDescription, codes: Int, of model: String, _ session: ToolSession) throws
    -> AlikeCodes
  {
    if let path = alikeClusters {
      return try .clusters(clusters(path, description, codes: codes, of: model, session))
    }
    guard let size = alikeBlocks ?? alikeRanks else { return .none }
    guard size <= codes, alikeBlocks == nil || codes.isMultiple(of: size) else {
      throw ToolError(
        .badData, model,
        expected: alikeBlocks == nil
          ? "at least \(size) codes, for --alike-ranks"
          : "a number of codes that \(size) divides, for --alike-blocks",
        found: "\(codes) codes",
        try: alikeBlocks == nil
          ? "a smaller number" : "the size of IAR's clusters, or another divisor of \(codes)")
    }
    return alikeBlocks == nil ? .ranks(size) : .blocks(of: size, codes: codes)
  }

  private func clusters(
    _ path: InputPath, _ description: ModelDescription, codes: Int, of model: String, _ session: ToolSession
  ) throws -> [Int] {
    let mapping = try CodeMapping(session.readRecord(path))
    guard case .fineToCoarse(let labels, _) = mapping.relation else {
      throw ToolError(
        .badData, path.path, expected: "a fine-to-coarse mapping, for --alike-clusters",
        found: "a permutation",
        try: "--alike-blocks with its cluster size, for a model of the rearranged codes")
    }
    try session.requireSameCodebook(
      description.codebookSHA256, of: model, as: mapping.sourceCodebookSHA256, of: path.path)
    guard labels.count == codes else {
      throw ToolError(
        .badData, path.path, expected: "labels of \(codes) codes, which \(model) has",
        found: "\(labels.count) labels",
        try: "the mapping of the model's tokenizer")
    }
    return labels
  }

  /// Refuses the options for a model that has no use for them.
  func requireNone(_ model: String) throws {
    guard isGiven else { return }
    throw ToolError(
      .badData, model, expected: "a model of one grid of tokens, for --speculate and --draw-method",
      found: "one of several scales, which draws a scale per pass", try: "without these options")
  }

  /// Whether an option differs from its default. Those of alike codes need --speculate.
  var isGiven: Bool { speculate != 1 || drawMethod != .cumulative }
}
