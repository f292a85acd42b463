import ArgumentParser
import ImageModels
import StreamFormat
import TensorCore
import ToolKit
import Training

@main struct ScoreTokens: Tool {
  static let toolName = "score-tokens"
  static let summary =
    "Scores tokens with a model, teacher-forced: loss, perplexity, token and cluster accuracy."
  static let usageExample = "score-tokens --model iar.tensors.zst rearranged.tokens.zst --held-out 0.05"
  static var versionDetails: [String] { BuildInformation.lines }

  @Argument(help: "Token file, or '-'.") var tokens: InputPath
  @Option(help: "Model file.") var model: InputPath
  @Option(help: "Write the logits, a record [n, N, V] a batch.") var logits: OutputPath?
  @Option(help: "Codes in a cluster. (default: the model's)") var clusterSize: Int?
  @Option(help: "Score only the images that training with this share held out; 0 scores all.") var heldOut =
    0.0
  @Option(help: "Seed of the held-out split.") var splitSeed: UInt64 = 0
  @Option(help: "View to score, by number.") var view = 0
  @Option(help: "Images scored at a time.") var batchSize = 16
  @Option(help: "Format of large matrix products: float32 or bfloat16.") var precision = Precision.float32
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try InputPath.requireDistinct(tokens, model)
    if logits?.isStandardOutput == true {
      throw ValidationError("the scores take standard output; name a file for --logits.")
    }
    if batchSize < 1 || view < 0 || (clusterSize ?? 0) < 0 || !(0..<1).contains(heldOut) {
      throw ValidationError(
        "--batch-size must be at least 1, --held-out from 0 to below 1, others not negative.")
    }
  }

  func execute(_ session: ToolSession) throws {
    let device = session.device(precision)
    let (transformer, description) = try Transformer.read(session.readRecord(model), device: device)
    let data = TokenDataset(try session.openTokens(tokens).readAll())
    try requireFit(data.header, transformer.configuration, description, session)
    let clusterSize = clusterSize ?? description.clusterSize
    guard clusterSize == 0 || data.header.vocabSize % clusterSize == 0 else {
      throw ToolError(
        .badData,
        "--cluster-size: expected a divisor of the \(data.header.vocabSize) codes; found \(clusterSize)")
    }
    let split = try HeldOutSplit(count: data.count, fraction: heldOut, seed: splitSeed)
    let items = heldOut > 0 ? split.heldOut : split.training
    guard !items.isEmpty else {
      throw ToolError(
        .badData,
        "\(tokens.path): expected images that --held-out \(heldOut) holds out; found none of \(data.count); try: a "
          + "larger share, or 0 for all")
    }
    let sink = try logits.map { try session.create($0) }
    let writer = sink.map { RecordWriter($0) }
    let scores = try transformer.score(
      data, items: items.map { ($0, view) }, clusterSize: clusterSize, batchSize: batchSize
    ) { logits in
      try session.interruption.check()
      try writer?.write(features(logits, transformer.configuration, session))
    }
    try writer?.finish()
    try sink?.commit()
    var summary = scores.means.mapValues { JSONValue.number($0) }
    summary["images"] = .integer(items.count)
    summary["unigram_entropy"] = .number(data.unigramEntropy)
    try session.printLine(sortedJSON(summary))
    try session.logSummary(summary)
  }

  private func requireFit(
    _ header: TokenHeader, _ sizes: TransformerConfiguration, _ description: ModelDescription,
    _ session: ToolSession
  ) throws {
    try session.requireSameCodebook(
      header.codebookSHA256, of: tokens.path, as: description.codebookSHA256, of: model.path)
    guard header.rows == sizes.gridRows, header.columns == sizes.gridColumns,
      header.classCount <= sizes.classCount,
      header.vocabSize == sizes.vocabularySize, view < header.viewCount
    else {
      throw ToolError(
        .badData,
        "\(tokens.path): expected \(sizes.vocabularySize) codes on a grid of \(sizes.gridRows)x\(sizes.gridColumns), at "
          + "most \(sizes.classCount) classes and a view \(view); found \(header.vocabSize) codes on "
          + "\(header.rows)x\(header.columns), \(header.classCount) classes, \(header.viewCount) views")
    }
  }

  private func features(_ logits: Tensor, _ sizes: TransformerConfiguration, _ session: ToolSession) -> Record
  {
    let images = logits.rowCount / sizes.tokenCount
    let stored = StoredTensor(
      name: "logits", shape: [images, sizes.tokenCount, sizes.vocabularySize],
      floats: UnsafeBufferPointer(logits.buffer))
    return Record(kind: .features, metadata: session.provenanceMetadata, tensors: [stored])
  }
}
