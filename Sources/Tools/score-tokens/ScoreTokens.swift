import ArgumentParser
import Datasets
import Evaluation
import ImageModels
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime
import VAR

@main struct ScoreTokens: Tool {
  static let toolName = "score-tokens"
  static let summary =
    "Scores tokens with a model that sees the true tokens before: loss, perplexity, accuracies."
  static let usageExample = "score-tokens --model iar.tensors.zst rearranged.tokens.zst --held-out 0.05"
  static var versionDetails: [String] { BuildInformation.lines }

  @Argument(help: "Token file, or '-' for standard input; with --merge, summaries of shards, one per line.")
  var tokens: InputPath
  @Option(help: "Model file; with --fine, the coarse model.") var model: InputPath?
  @Option(
    help: ArgumentHelp(
      "Fine model file: scores fine tokens by the second stage of CTF, and with --model by "
        + "both stages."))
  var fine: InputPath?
  @Option(help: "Features file to write with the logits [images, tokens, codes], one record per batch.")
  var logits: OutputPath?
  @Option(help: "m, the number of codes per cluster, for the cluster scores. (default: that of the model)")
  var clusterSize: Int?
  @Option(
    help: ArgumentHelp(
      "Mapping file of rearrange-codebook or cluster-codebook, whose clusters the cluster scores are of. The tokens keep "
        + "their own order: so a baseline is scored by the clusters of IAR."))
  var mapping: InputPath?
  @OptionGroup(title: "Scores by place") var places: PlaceOptions
  @OptionGroup var sharding: ShardOptions
  @Flag(help: "Add up the summaries that runs with --shard have printed; they sum up to that of one run.")
  var merge = false
  @OptionGroup(title: "Selection") var heldOut: HeldOutOptions
  @OptionGroup var view: ViewOptions
  @Option(help: "Number of images scored at a time.") var batchSize = 16
  @Option(help: "Number format of the operands of large matrix products.") var precision = Precision.float32
  @OptionGroup var estimating: EstimateOptions
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try InputPath.requireDistinct(tokens, model, fine, mapping)
    let isOfOneModel = logits != nil || clusterSize != nil || mapping != nil || places.isGiven
    let isOfImages = heldOut.heldOut != nil || heldOut.splitSeed != 0 || view.isGiven || precision != .float32
    if merge
      && (model != nil || fine != nil || isOfOneModel || isOfImages || sharding.shard != nil
        || estimating.estimate)
    {
      throw ValidationError(
        "--merge adds up scores; leave models, --shard, --estimate, --precision and the options of the images, of logits, places "
          + "and clusters out."
      )
    }
    if !merge && model == nil && fine == nil { throw ValidationError("give --model, --fine, or both.") }
    if fine != nil && isOfOneModel {
      throw ValidationError(
        "--logits, --map, --map-sheet, --rank, --cluster-size and --mapping are for a model by itself, without --fine."
      )
    }
    if sharding.shard != nil && places.isOfAllImages {
      throw ValidationError(
        "--map-sheet and --rank show all images together: leave --shard out, or write a --map, whose shards cat joins."
      )
    }
    if mapping != nil && clusterSize != nil {
      throw ValidationError("--mapping has clusters of its own; leave --cluster-size out.")
    }
    if logits?.isStandardOutput == true {
      throw ValidationError("the scores take standard output; name a file for --logits.")
    }
    if !(1...1 << 20).contains(batchSize) || (clusterSize ?? 0) < 0 {
      throw ValidationError("--batch-size must be from 1 to 2^20, --cluster-size not negative.")
    }
  }

  func execute(_ session: ToolSession) throws {
    if merge { return try report(ScoreSummary(mergedFrom: tokens, session), session) }
    let device = session.device(precision)
    let fine = try fine.map { try FineScoring($0, hashed: sharding.shard != nil, session, device) }
    let record = try model.map { try session.readRecord($0) }
    let clustering = try ClusterScoring(
      mapping: mapping, size: clusterSize, hashed: sharding.shard != nil, session)
    let setting = self.setting(record, fine, clustering, device)
    if let record, let path = model, try record.kind() == .varModel {
      return try scoreScales(record, path, clustering, setting, device, session)
    }
    let model = try record.map { try Transformer.read($0, device: device) }
    let tokens = try TokenDataset(session.openTokens(self.tokens))
    let header = tokens.header
    try fine?.requireFit(header, of: self.tokens.path, view: view.number(in: header), session)
    try sharding.requireWhole(tokens.shard, of: self.tokens.path)
    let (items, part) = try chosenItems(tokens)
    // Before the first model works.
    if let sizes = fine?.model.configuration {
      try session.requireMemory(
        toRun: sizes.parameterBytes, bytesPerImage: sizes.passBytesPerImage,
        images: min(batchSize, items.count))
    }
    try self.record(setting, of: tokens, in: session)
    var scores: [String: TokenScores] = [:]
    if let (transformer, description) = model {
      try fine?.requireCoarse(description, of: self.model?.path ?? "", session)
      let own = fine?.coarse(tokens) ?? tokens
      try requireFit(own.header, transformer.configuration, description, session)
      let classes = ClassList(
        names: description.classNames, count: transformer.configuration.classCount,
        file: self.model?.path ?? "")
      let data = own.relabelled(try matched(header, classes, session))
      scores[fine == nil ? "" : "coarse_"] = try score(
        data, of: own, items, part, transformer, description, clustering, session)
    }
    if let fine {
      let classes = ClassList(
        names: fine.description.classNames, count: fine.model.configuration.classCount, file: fine.path)
      let data = tokens.relabelled(try matched(header, classes, session))
      try session.finish(estimating)
      scores["fine_"] = try fine.model.score(data, items: items, batchSize: batchSize) {
        try session.interruption.check()
      }
    }
    var summary = ScoreSummary()
    for (prefix, part) in scores {
      try part.requireFinite()
      summary.add(part.sums, prefix: prefix)
    }
    summary.addJointLoss()
    (summary.images, summary.unigramEntropy) = (items.count, tokens.unigramEntropy)
    (summary.shard, summary.scoredWith) = (shard(part), self.setting(of: tokens, setting))
    try report(summary, session)
  }

  /// What the summary of a shard says of the models and options: shards of one whole have the same. Nil without a shard.
  private func setting(
    _ record: Record?, _ fine: FineScoring?, _ clustering: ClusterScoring, _ device: Device
  ) -> [String: JSONValue]? {
    if sharding.shard == nil { return nil }
    var setting: [String: JSONValue] = [
      "batch_size": .integer(batchSize), "precision": .string(device.precision.rawValue),
      "held_out": .number(heldOut.chosen?.fraction ?? 0), "split_seed": .large(heldOut.splitSeed),
    ]
    setting["model"] = (record?.sha256).map { .string($0) }
    setting["fine"] = (fine?.sha256).map { .string($0) }
    setting["cluster_size"] = clusterSize.map { .integer($0) }
    setting["mapping"] = clustering.sha256.map { .string($0) }
    return setting
  }

  /// The setting with what the tokens decide, for the provenance of what is written of each image.
  private func record(_ setting: [String: JSONValue]?, of data: TokenDataset, in session: ToolSession) throws
  {
    session.settings = try self.setting(of: data, setting).flatMap { try sharding.settings($0) }
  }

  /// The setting with what the tokens decide.
  private func setting(of data: TokenDataset, _ setting: [String: JSONValue]?) -> [String: JSONValue]? {
    setting?.merging([
      "codebook": .string(data.header.codebookSHA256), "tokens": .string(data.sha256),
      "class_names": .array(data.header.classNames.map { .string($0) }),
      "view": .integer(view.number(in: data.header)),
    ]) { $1 }
  }

  /// What the summary says of the part: also of one shard of one, whose summary `--merge` can read as that of any.
  private func shard(_ part: ShardPart) -> Shard? {
    guard let number = sharding.shard else { return nil }
    return part.shard ?? Shard(number: 1, count: number.count, first: 0, total: part.items.count)
  }

  private func report(_ summary: ScoreSummary, _ session: ToolSession) throws {
    try session.printLine(sortedJSON(summary.json))
    try session.logSummary(summary.json)
  }

  /// Scores of a model that predicts scale by scale, at each scale too.
  private func scoreScales(
    _ record: Record, _ path: InputPath, _ clustering: ClusterScoring, _ setting: [String: JSONValue]?,
    _ device: Device, _ session: ToolSession
  ) throws {
    let (model, description) = try VARTransformer.read(record, device: device)
    if let fine {
      throw ToolError(
        .badData, path.path, expected: "a coarse model, for --fine \(fine.path)",
        found: "a model of several scales", try: "the model that train-ar made of the coarse labels")
    }
    let data = try TokenDataset(session.openTokens(tokens))
    try sharding.requireWhole(data.shard, of: tokens.path)
    let (items, part) = try chosenItems(data)
    let sizes = model.configuration
    try session.requireSameCodebook(
      data.header, of: tokens.path, as: description.codebookSHA256, codes: sizes.vocabularySize, of: path.path
    )
    try session.requireScales(
      sizes.multiScale.scales, data.header, of: tokens.path, view: view.number(in: data.header), by: path.path
    )
    let classes = ClassList(names: description.classNames, count: sizes.classCount, file: path.path)
    let clusters = try clustering.clusters(of: data.header, in: tokens.path, description, session)
    try session.requireMemory(
      toRun: sizes.parameterBytes, bytesPerImage: sizes.passBytesPerImage + sizes.logitBytesPerImage,
      images: min(batchSize, items.count))
    try self.record(setting, of: data, in: session)
    var outputs = try BatchOutputs(logits: logits, places, data, items: items, part, session)
    try session.finish(estimating)
    let scores = try model.score(
      data.relabelled(try matched(data.header, classes, session)), items: items, clusters: clusters,
      batchSize: batchSize
    ) { logits, losses in
      try session.interruption.check()
      try logits.requireFinite("the logits of \(path.path)")
      try outputs.add(logits, losses: losses)
    }
    try outputs.finish()
    try scores.requireFinite()
    var summary = ScoreSummary()
    summary.add(scores.sums)
    (summary.images, summary.unigramEntropy) = (items.count, data.unigramEntropy)
    (summary.shard, summary.scoredWith) = (shard(part), self.setting(of: data, setting))
    try report(summary, session)
  }

  /// The model's number of each class of the tokens.
  private func matched(_ header: TokenHeader, _ classes: ClassList, _ session: ToolSession) throws -> [Int] {
    try session.matchClasses(ClassList(header, file: tokens.path), to: classes, noClass: classes.count)
  }

  /// Scores of a model by itself; writes what is asked for of each batch.
  /// - Parameters:
  ///   - data: the tokens, with the model's numbers of the classes.
  ///   - file: the same with those of the file.
  private func score(
    _ data: TokenDataset, of file: TokenDataset, _ items: [(item: Int, view: Int)], _ part: ShardPart,
    _ transformer: Transformer,
    _ description: ModelDescription, _ clustering: ClusterScoring, _ session: ToolSession
  ) throws -> TokenScores {
    let clusters = try clustering.clusters(of: data.header, in: tokens.path, description, session)
    let sizes = transformer.configuration
    try session.requireMemory(
      toRun: sizes.parameterBytes, bytesPerImage: sizes.passBytesPerImage + sizes.logitBytesPerImage,
      images: min(batchSize, items.count))
    var outputs = try BatchOutputs(logits: logits, places, file, items: items, part, session)
    try session.finish(estimating)
    let scores = try transformer.score(data, items: items, clusters: clusters, batchSize: batchSize) {
      logits, losses in
      try session.interruption.check()
      try logits.requireFinite("the logits of \(model?.path ?? "")")
      try outputs.add(logits, losses: losses)
    }
    try outputs.finish()
    return scores
  }

  /// The images that are scored, with their views. A shard has whole batches, so that its scores are those of the whole to
  /// the last bit.
  private func chosenItems(_ data: TokenDataset) throws -> (items: [(item: Int, view: Int)], part: ShardPart)
  {
    let share = heldOut.chosen ?? HeldOutShare(fraction: 0, seed: 0)
    let split = try share.split(data)
    let items = share.fraction > 0 ? split.heldOut : split.training
    guard !items.isEmpty else {
      throw ToolError(
        .badData, tokens.path,
        expected: "images that --held-out \(share.fraction) holds out",
        found: "none of \(data.count)",
        try: "a larger share, or 0 for all")
    }
    let part = sharding.part(of: items.count, batchSize: batchSize)
    return (items[part.items].map { ($0, view.number(in: data.header)) }, part)
  }

  private func requireFit(
    _ header: TokenHeader, _ sizes: TransformerConfiguration, _ description: ModelDescription,
    _ session: ToolSession
  ) throws {
    try session.requireFit(
      header, of: tokens.path, view: view.number(in: header), to: sizes, description, of: model?.path ?? "")
  }
}
