import ArgumentParser
import ImageModels
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

@main struct PerturbTokens: Tool {
  static let toolName = "perturb-tokens"
  static let summary =
    "Replaces tokens by similar ones: the d-th nearest code, or a code of the same cluster."
  static let usageExample =
    "perturb-tokens --code-distance 8 --tokenizer tokenizer.tensors.zst emoji.tokens.zst > far.tokens.zst"
  static var versionDetails: [String] { BuildInformation.lines }

  @Argument(help: "Token file, or '-' for standard input.") var tokens: InputPath
  @Option(name: .shortAndLong, help: "Token file to write; '-' is standard output.")
  var output = OutputPath.standardOutput
  @Option(
    help: ArgumentHelp(
      "d: replace each token by the d-th nearest other code; 0 changes nothing (IAR, figure 2).",
      valueName: "d"))
  var codeDistance: Int?
  @Option(help: ArgumentHelp("Tokenizer file whose codebook --code-distance uses.", valueName: "file"))
  var tokenizer: InputPath?
  @Option(
    help: ArgumentHelp(
      "Replace each token by a random other code of its cluster in this mapping file.", valueName: "mapping"))
  var sameCluster: InputPath?
  @Option(help: "Share of the positions whose token is replaced, from 0 to 1, chosen at random.")
  var share = 1.0
  @OptionGroup var sharding: ShardOptions
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output)
    try InputPath.requireDistinct(tokens, tokenizer, sameCluster)
    if (codeDistance == nil) == (sameCluster == nil) {
      throw ValidationError("give one of --code-distance and --same-cluster.")
    }
    if (codeDistance == nil) != (tokenizer == nil) {
      throw ValidationError("--code-distance and --tokenizer go together.")
    }
    if (codeDistance ?? 0) < 0 { throw ValidationError("--code-distance must not be negative.") }
    if !(0...1).contains(share) { throw ValidationError("--share must be from 0 to 1.") }
  }

  func execute(_ session: ToolSession) throws {
    let reader = try session.openTokens(tokens)
    let input = try TokenSource(reader, sharding, of: tokens.path)
    // The nearest codes of a large codebook take a minute: tokens that are refused are refused before.
    let (replacement, codebook, source) = try readReplacement(session)
    try session.requireSameCodebook(
      reader.header, of: tokens.path, as: codebook, codes: replacement.codeCount, of: source)
    session.settings = [
      "code_distance": codeDistance.map { .integer($0) } ?? .null, "share": .number(share),
      "seed": .large(session.seed),
    ]
    let sink = try session.create(output)
    let writer = TokenWriter(
      RecordWriter(sink), header: reader.header, metadata: session.provenanceMetadata,
      shard: input.part?.shard)
    let perturbation = Perturbation(replacement: replacement, share: share, seed: session.seed)
    let progress = session.progress("images")
    var (images, changed, total) = (0, 0, 0)
    while let (read, first) = try input.next() {
      var batch = read
      try session.interruption.check()
      changed += perturbation.apply(to: &batch, firstPlace: first)
      try writer.write(batch)
      progress.advance(by: batch.count)
      images += batch.count
      total += batch.tokens.count
    }
    try writer.finish()
    try sink.commit()
    progress.finish()
    let summary: [String: JSONValue] = [
      "images": .integer(images), "tokens": .integer(total), "changed": .integer(changed),
    ]
    try session.report(summary.merging(input.part?.summary ?? [:]) { own, _ in own })
  }

  /// The replacement of each code, the hash of its codebook, and the file from which both come.
  private func readReplacement(_ session: ToolSession) throws -> (
    Replacement, codebook: String, source: String
  ) {
    if let sameCluster {
      let mapping = try CodeMapping(session.readRecord(sameCluster))
      let clusters = try clusters(of: mapping, sameCluster.path)
      return (clusters.replacement, clusters.codebook, sameCluster.path)
    }
    guard let codeDistance, let tokenizer else { preconditionFailure("validated") }
    let device = session.device()
    let model = try Tokenizer(session.readRecord(tokenizer), device: device)
    let codes = model.configuration.codebookSize
    guard codeDistance < codes else {
      throw ToolError(
        .badData, tokenizer.path,
        expected: "more than \(codeDistance) codes, for --code-distance \(codeDistance)", found: "\(codes)",
        try: "--code-distance \(codes - 1) or less")
    }
    let table = model.codesAtRank(codeDistance, on: device)
    return (.table(table), model.codebookSHA256, tokenizer.path)
  }

  /// A fine-to-coarse mapping refers to its source codebook. The equal clusters of a permutation are blocks
  /// of its target codebook.
  private func clusters(of mapping: CodeMapping, _ path: String) throws -> (
    replacement: Replacement, codebook: String
  ) {
    switch mapping.relation {
    case .fineToCoarse(let labels, _): return (.clusters(labels), mapping.sourceCodebookSHA256)
    case .permutation(let oldToNew, _):
      guard let size = mapping.clusterSize else {
        throw ToolError(
          .badData, path,
          expected: "clusters of one size, as rearrange-codebook makes them",
          found: "a mapping without cluster_size",
          try: "another mapping")
      }
      return (.clusters(oldToNew.indices.map { $0 / size }), mapping.targetCodebookSHA256)
    }
  }
}
