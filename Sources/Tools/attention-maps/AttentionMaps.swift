import ArgumentParser
import Datasets
import ImageModels
import Images
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

@main struct AttentionMaps: Tool {
  static let toolName = "attention-maps"
  static let summary = "Draws what a model attends to over images, and measures how far it looks."
  static let usageExample =
    "attention-maps images.tokens.zst --model model.tensors.zst --tokenizer tokenizer.tensors.zst --output maps.png"

  @Argument(help: "Token file, or '-' for standard input.") var tokens: InputPath
  @Option(help: "Model file of train-ar or import-weights.") var model: InputPath
  @Option(help: "Tokenizer file of the tokens, for drawing the maps over the images; needed by --output.")
  var tokenizer: InputPath?
  @Option(name: .shortAndLong, help: "PNG picture to write; needs --tokenizer.") var output: OutputPath?
  @Option(
    help: "Layers to use, counted from 1, separated by commas. (default: all)", transform: NumberList.parse)
  var layers: NumberList?
  @Option(
    help: ArgumentHelp(
      "Heads to draw: mean (their average), all, or numbers counted from 0, separated by commas. "
        + "(default: mean)"),
    transform: HeadChoice.parse)
  var heads = HeadChoice.mean
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Tokens whose attention is drawn, each as row,column counted from 0. (default: one in "
        + "each of four rows)"), transform: GridPosition.parse)
  var positions: [GridPosition] = []
  @Flag(help: "Give the model \"no class\" instead of the class of each image.") var noClass = false
  @Option(help: "Factor by which the pictures are enlarged, from 1 to 32.") var enlarge = 4
  @OptionGroup var view: ViewOptions
  @Option(help: "Number of images that the model reads at a time.") var batchSize = 4
  @OptionGroup(title: "Selection") var choice: ImageChoice
  @OptionGroup var estimating: EstimateOptions
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output, isEstimate: estimating.estimate)
    try InputPath.requireDistinct(tokens, model, tokenizer)
    if output == nil && !common.json && common.log == nil {
      throw ValidationError("give at least one of --output, --json and --log.")
    }
    if (output == nil) != (tokenizer == nil) {
      throw ValidationError("--output and --tokenizer go together: the maps are drawn over decoded images.")
    }
    if layers?.values.contains(0) == true { throw ValidationError("--layers count from 1.") }
    if !(1...32).contains(enlarge) { throw ValidationError("--enlarge must be from 1 to 32.") }
    if !(1...1 << 20).contains(batchSize) {
      throw ValidationError("--batch-size must be from 1 to 2^20.")
    }
  }

  func execute(_ session: ToolSession) throws {
    let device = session.device()
    let (transformer, description) = try Transformer.read(session.readRecord(model), device: device)
    let sizes = transformer.configuration
    var data = try TokenDataset(session.openTokens(tokens))
    try session.requireFit(
      data.header, of: tokens.path, view: view.number(in: data.header), to: sizes, description, of: model.path
    )
    if !noClass {
      let known = ClassList(names: description.classNames, count: sizes.classCount, file: model.path)
      data = data.relabelled(
        try session.matchClasses(
          ClassList(data.header, file: tokens.path), to: known, noClass: sizes.noClass))
    }
    let items = try choice.items(of: data, in: tokens.path)
    let layers = layers?.values.sorted() ?? Array(1...sizes.layers)
    let positions = positions.isEmpty ? defaultPositions(sizes) : positions
    try require(layers, positions, in: sizes)
    // Every head has a weight for each pair of tokens, the class among them.
    let weights = Double(sizes.heads) * Double(sizes.tokenCount + 1) * Double(sizes.tokenCount + 1) * 4
    try session.requireMemory(
      toRun: sizes.parameterBytes, bytesPerImage: sizes.passBytesPerImage + weights,
      images: min(batchSize, items.count))
    // Reading comes before the work, so that an error is reported at once.
    let decoder = try readTokenizer(for: data.header, device, session)
    try output.map { try session.requireCreatable($0) }
    try session.finish(estimating)
    var sheet = Sheet(
      rows: sizes.gridRows, columns: sizes.gridColumns, positions: positions,
      heads: heads.groups(of: sizes.heads),
      drawn: decoder == nil ? 0 : min(choice.draw, items.count))
    let summaries = try measure(transformer, data, items, layers, &sheet, session)
    if let decoder, let output {
      let images = try decoded(Array(items.prefix(choice.draw)), of: data, decoder)
      let sink = try session.create(output)
      try PNGEncoder.encode(sheet.picture(over: images, enlargement: enlarge)).withUnsafeBytes {
        try sink.write($0)
      }
      try sink.commit()
    }
    try report(summaries, images: items.count, session)
  }

  private func measure(
    _ transformer: Transformer, _ data: TokenDataset, _ items: [Int], _ layers: [Int], _ sheet: inout Sheet,
    _ session: ToolSession
  ) throws -> [(layer: Int, summary: AttentionSummary)] {
    let sizes = transformer.configuration
    var summaries = Dictionary(
      uniqueKeysWithValues: layers.map {
        ($0, AttentionSummary(rows: sizes.gridRows, columns: sizes.gridColumns))
      })
    let progress = session.progress("images", total: items.count)
    for first in stride(from: 0, to: items.count, by: batchSize) {
      let part = items[first..<min(first + batchSize, items.count)]
      let (labels, tokens) = data.batch(part.map { ($0, view.number(in: data.header)) })
      transformer.attention(
        labels: noClass ? labels.map { _ in sizes.noClass } : labels, tokens: tokens,
        layers: Set(layers.map { $0 - 1 })
      ) { layer, attention in
        summaries[layer + 1]?.add(attention)
        sheet.add(attention, first: first)
      }
      progress.advance(by: part.count)
    }
    progress.finish()
    for summary in summaries.values where !summary.meanDistance.isFinite || !summary.classWeight.isFinite {
      throw NotFiniteError("the attention of \(model.path)")
    }
    return layers.compactMap { layer in summaries[layer].map { (layer, $0) } }
  }

  private func defaultPositions(_ sizes: TransformerConfiguration) -> [GridPosition] {
    let rows = Set((0..<4).map { (2 * $0 + 1) * sizes.gridRows / 8 })
    return rows.sorted().map { GridPosition(row: $0, column: sizes.gridColumns / 2) }
  }

  private func require(_ layers: [Int], _ positions: [GridPosition], in sizes: TransformerConfiguration)
    throws
  {
    if let layer = layers.first(where: { $0 > sizes.layers }) {
      throw ToolError(
        .badData, model.path, expected: "a layer \(layer)", found: "layers 1 to \(sizes.layers)",
        try: "--layers among them")
    }
    if case .some(let heads) = heads, let head = heads.first(where: { $0 >= sizes.heads }) {
      throw ToolError(
        .badData, model.path, expected: "a head \(head)", found: "heads 0 to \(sizes.heads - 1)",
        try: "--heads among them")
    }
    if let outside = positions.first(where: { $0.row >= sizes.gridRows || $0.column >= sizes.gridColumns }) {
      throw ToolError(
        .badData, model.path, expected: "a token at \(outside.row),\(outside.column)",
        found: "a grid of \(sizes.gridRows)x\(sizes.gridColumns), counted from 0,0", try: "--positions in it")
    }
  }

  private func readTokenizer(for header: TokenHeader, _ device: Device, _ session: ToolSession) throws
    -> Tokenizer?
  {
    guard let tokenizer else { return nil }
    let decoder = try Tokenizer(session.readRecord(tokenizer), device: device)
    try session.requireDecodable(header, of: tokens.path, by: decoder, of: tokenizer.path)
    return decoder
  }

  private func decoded(_ items: [Int], of data: TokenDataset, _ decoder: Tokenizer) throws -> [RGBImage] {
    let tokens = data.batch(items.map { ($0, view.number(in: data.header)) }).tokens
    return decoder.store.device.images(
      try decoder.images(of: tokens, rows: data.header.rows, columns: data.header.columns))
  }

  private func report(
    _ summaries: [(layer: Int, summary: AttentionSummary)], images: Int, _ session: ToolSession
  ) throws {
    let values = summaries.map { layer, summary -> JSONValue in
      session.say(
        "layer \(layer): mean distance \(summary.meanDistance) tokens, weight on the class \(summary.classWeight)"
      )
      return [
        "layer": .integer(layer), "mean_distance": .number(summary.meanDistance),
        "class_weight": .number(summary.classWeight),
      ]
    }
    try session.report([
      "images": .integer(images), "layers": .array(values),
      "uniform_distance": summaries.first.map { .number($0.summary.uniformDistance) } ?? .null,
    ])
  }
}
