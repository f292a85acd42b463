import ArgumentParser
import Codebooks
import Datasets
import ImageModels
import Images
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

@main struct Tokenize: Tool {
  static let toolName = "tokenize"
  static let summary = "Turns images into tokens with a tokenizer."
  static let usageExample = "tokenize --tokenizer tokenizer.tensors.zst emoji > emoji.tokens.zst"
  static var versionDetails: [String] { BuildInformation.lines }

  @OptionGroup var images: ImageOptions
  @Option(help: "Tokenizer file that train-tokenizer, rearrange-codebook or import-weights wrote.")
  var tokenizer: InputPath
  @Option(name: .shortAndLong, help: "Token file to write; '-' is standard output.")
  var output = OutputPath.standardOutput
  @Option(help: "Side of the images in pixels, from 1 to 16384. (default: that of the tokenizer)")
  var size: Int?
  @Option(help: "Number of views tokenised at a time.") var batchSize = 64
  @Option(
    help: ArgumentHelp(
      "Number format of the operands of convolutions and large products; bfloat16 changes a "
        + "few tokens."))
  var precision = Precision.float32
  @OptionGroup var sharding: ShardOptions
  @OptionGroup var estimating: EstimateOptions
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output, isEstimate: estimating.estimate)
    try InputPath.requireDistinct(images.images, tokenizer)
    if !(1...1 << 20).contains(batchSize) {
      throw ValidationError("--batch-size must be from 1 to 2^20.")
    }
    if let size, !(1...1 << 14).contains(size) { throw ValidationError("--size must be from 1 to 16384.") }
  }

  func execute(_ session: ToolSession) throws {
    let device = session.device(precision)
    let model = try Tokenizer(session.readRecord(tokenizer), device: device)
    model.freeze()
    let size = size ?? model.configuration.imageSize
    guard size % model.configuration.downsampling == 0 else {
      throw ToolError(
        .badData, "--size",
        expected: "a multiple of \(model.configuration.downsampling), the tokenizer's step",
        found: "\(size)",
        try: "--size \(max(1, size / model.configuration.downsampling) * model.configuration.downsampling)")
    }
    guard model.multiScale == nil || size == model.configuration.imageSize else {
      throw ToolError(
        .badData, "--size",
        expected: "\(model.configuration.imageSize), the only size that the scales of \(tokenizer.path) fit",
        found: "\(size)", try: "without --size")
    }
    let images = try images.open(session, size: size)
    let grid = size / model.configuration.downsampling
    guard grid * grid <= TokenHeader.maximumTokens else {
      throw ToolError(
        .badData, "--size",
        expected: "at most \(TokenHeader.maximumTokens) tokens per image",
        found: "\(grid)x\(grid)",
        try: "a smaller --size")
    }
    let batches = Self.batches(of: images.listing.entries.count, size: batchSize)
    // A shard has whole batches of the whole run, so that its products have the same operands, and its tokens are the same
    // to the last bit of a latent that is as near to one code as to another.
    let part = sharding.part(of: images.listing.entries.count, batches: batches.map(\.lowerBound))
    let count = part.items.count * images.plan.names.count
    try session.requireMemory(
      toRun: model.configuration.parameterBytes,
      bytesPerImage: model.configuration.passBytesPerImage(size: size), images: min(batchSize, count))
    let header = TokenHeader(
      vocabSize: model.configuration.codebookSize, rows: grid, columns: grid,
      codebookSHA256: model.codebookSHA256,
      classCount: images.listing.classNames.count, classNames: images.listing.classNames,
      viewNames: images.plan.names, layout: model.configuration.tokenLayout)
    session.settings = try sharding.settings(["images": images.reading, "precision": precision.rawValue])
    let sink = try session.create(output)
    try session.finish(estimating)
    let records = RecordWriter(sink)
    let writer = TokenWriter(
      records, header: header, metadata: session.provenanceMetadata, shard: part.shard)
    var usage = CodeUsage(codes: header.vocabSize)
    var skipped = 0
    session.say("\(images.listing.entries.count) images of \(header.classCount) classes")
    let progress = session.progress("images", total: part.items.count)
    let start = ContinuousClock.now
    let empty = TokenBatch(header: header, tokens: [], labels: [])
    var record = empty
    try images.forEachBatch(
      batches.filter { part.items.contains($0.lowerBound) }, readers: device.threads.count
    ) { items, views in
      try session.interruption.check()
      record.append(try tokenize(items, views, of: images.listing, model, header, session))
      progress.advance(by: items.count)
      guard items.upperBound % Self.recordSize == 0 || items.upperBound == part.items.upperBound else {
        return
      }
      skipped += record.skipped.count
      usage.add(record.tokens)
      // A record without images still tells of those that were skipped.
      try writer.write(record)
      record = empty
    }
    progress.finish()
    // Another shard may have images.
    guard records.itemCount > 0 || part.shard != nil else {
      throw ToolError(
        .badData, "images", expected: "at least one that can be used", found: "none", try: "other images")
    }
    try writer.finish()
    try sink.commit()
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    if skipped > 0 { session.warn("\(skipped) images skipped") }
    var summary: [String: JSONValue] = [
      "images": .integer(records.itemCount), "skipped": .integer(skipped),
      "passed_over": .integer(images.listing.passedOver.values.reduce(0, +)),
      "views": .integer(header.viewCount),
      "code_usage": .number(usage.usedFraction), "code_perplexity": .number(usage.perplexity),
      "unigram_entropy": .number(usage.entropy), "seconds": .number(seconds),
      "tokens_per_second": .number(Double(usage.total) / seconds),
    ]
    // Usage and perplexity of shards do not add up; how often each code occurs does.
    if part.shard != nil { summary["code_counts"] = .array(usage.counts.map { .integer($0) }) }
    try session.report(summary.merging(part.summary) { own, _ in own })
  }

  /// A record of about a thousand images is small enough to stream and large enough to compress well.
  private static let recordSize = 1024

  /// The batches of a whole run; none is of two records.
  private static func batches(of count: Int, size: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: recordSize).flatMap { first in
      let end = min(first + recordSize, count)
      return stride(from: first, to: end, by: size).map { $0..<min($0 + size, end) }
    }
  }

  /// The tokens of a batch of images.
  /// - Parameter read: the views of each image, or why there are none.
  private func tokenize(
    _ items: Range<Int>, _ read: [Result<[RGBImage], ImageError>], of listing: ImageListing,
    _ model: Tokenizer, _ header: TokenHeader, _ session: ToolSession
  ) throws -> TokenBatch {
    let device = model.store.device
    var (views, labels, skipped): ([RGBImage], [UInt32], [UInt32]) = ([], [], [])
    for (item, result) in zip(items, read) {
      switch result {
      case .success(let ofImage):
        views += ofImage
        labels.append(UInt32(listing.entries[item].label))
      case .failure(let error) where images.skipUnreadable:
        session.warn("skipped: \(error)")
        skipped.append(UInt32(item - items.lowerBound))
      case .failure(let error): throw error
      }
    }
    var tokens: [UInt32] = []
    for start in stride(from: 0, to: views.count, by: batchSize) {
      let batch = device.pixels(Array(views[start..<min(start + batchSize, views.count)]))
      tokens += try model.tokens(of: batch).map(UInt32.init)
    }
    return TokenBatch(header: header, tokens: tokens, labels: labels, skipped: skipped)
  }
}
