import ForeignFiles
import ImageModels
import StreamFormat
import TensorCore
import VAR

/// LlamaGen's checkpoints do not name all of their sizes; the shapes tell most, and the `args` of training the rest.
extension WeightsImport {
  func tokenizer(_ device: Device) throws -> RecordStream {
    // Buffers that count codes in training.
    let tensors = try floatInfos { ["quantize.codebook_used", "quantize.ema_vocab_hit_SV"].contains($0) }
    let first = try shape("encoder.conv_in.weight", rank: 4)
    let codebook = try shape(Tokenizer.codebookName, rank: 2)
    let arguments = CheckpointArguments(weights)
    var configuration = TokenizerConfiguration(
      channels: first[0], multipliers: [],
      residualBlocks: count { "encoder.conv_blocks.0.res.\($0).conv1.weight" },
      zChannels: try shape("encoder.conv_out.weight", rank: 4)[0], codebookSize: codebook[0],
      codeDimension: codebook[1],
      normalizesCodes: settings.normalizesCodes ?? arguments.normalizesCodes ?? !(isVQGAN || isVAR),
      groups: settings.groups ?? arguments.groups ?? 32,
      imageSize: settings.imageSize ?? arguments.imageSize ?? 256)
    for level in 0..<count({ "encoder.conv_blocks.\($0).res.0.conv1.weight" }) {
      let width = try shape("encoder.conv_blocks.\(level).res.0.conv1.weight", rank: 4)[0]
      configuration.multipliers.append(width / first[0])
    }
    // Of no level, or of too many, there is no downsampling, which the scales are counted by.
    if !TokenizerConfiguration.levelCounts.contains(configuration.multipliers.count) {
      try require(configuration.problem, scalars: 0, tensors)
    }
    if isVAR {
      configuration.codeKernel = try shape("quant_conv.weight", rank: 4)[2]
      configuration.multiScale = try multiScale(side: configuration.imageSize / configuration.downsampling)
    }
    if isVQGAN { configuration.attentionLevels = attentionLevels(configuration.multipliers.count) }
    try require(configuration.problem, scalars: configuration.scalarCount, tensors)
    try Tokenizer(configuration, device: device, seed: nil).store.require(
      tensors, at: origin, named: publishedName)
    var header = Record(kind: .tokenizer)
    try header.setJSONMetadata("config", configuration)
    header.metadata["codebook_sha256"] = try float32(Tokenizer.codebookName, named: "").withBytes {
      SHA256Hasher.hex(of: $0)
    }
    return stream(header, tensors)
  }

  /// The levels with attention; nil for the last one alone, which is LlamaGen's choice.
  private func attentionLevels(_ levels: Int) -> [Int]? {
    let found = (0..<levels).filter { inPart["encoder.conv_blocks.\($0).attn.0.q.weight"] != nil }
    return found == [levels - 1] ? nil : found
  }

  /// VAR's checkpoints name neither their scales nor r. Published ones have ten scales at both sizes of images.
  private func multiScale(side: Int) throws -> MultiScaleConfiguration {
    let published = [MultiScaleConfiguration.published256, .published512].first { $0.side == side }
    guard let scales = settings.scales ?? published?.scales else {
      throw ambiguous("which scales a tokenizer of \(side)x\(side) latents has", "--scales, such as 1,2,3,4")
    }
    let shared = count { "quantize.quant_resi.qresi_ls.\($0).weight" }
    let own = count { "quantize.quant_resi.\($0).weight" }
    let phiCount = inPart["quantize.quant_resi.qresi.weight"] != nil ? 1 : shared
    return MultiScaleConfiguration(
      scales: scales, phiCount: phiCount,
      residualRatio: settings.residualRatio ?? (phiCount + own > 0 ? 0.5 : 0))
  }

  func arModel(_ device: Device) throws -> RecordStream {
    var tensors = try floatInfos { _ in false }
    let table = try shape("tok_embeddings.weight", rank: 2)
    let classRows = try shape(Self.classTable, rank: 2)[0]
    let layers = count { "layers.\($0).attention.wqkv.weight" }
    let arguments = CheckpointArguments(weights)
    let classes = try classCount(rows: classRows, arguments)
    let grid = try grid(arguments)
    var configuration = TransformerConfiguration(
      layers: layers, heads: try heads(layers: layers, width: table[1], arguments), width: table[1],
      vocabularySize: table[0], gridRows: grid.rows, gridColumns: grid.columns, classCount: classes)
    configuration.ropeBase = arguments.ropeBase ?? configuration.ropeBase
    configuration.normEpsilon = arguments.normEpsilon ?? configuration.normEpsilon
    try setFeedForward(of: &configuration, arguments)
    if classes == classRows {
      // Trained without "no class": its row is added, and nothing was learned for it.
      tensors = tensors.map {
        $0.name == Self.classTable
          ? TensorInfo(name: $0.name, elementType: .float32, shape: [classRows + 1, $0.shape[1]]) : $0
      }
    }
    if let codes = settings.tokenizer?.configuration.codebookSize, codes != table[0] {
      throw FormatError(
        .wrongShape, at: origin, expected: "a model of \(codes) codes, as --tokenizer has",
        found: "\(table[0])",
        hint: "--tokenizer with the tokenizer of this model")
    }
    try require(configuration.problem, scalars: configuration.scalarCount, tensors)
    try Transformer(configuration, device: device, seed: nil).store.require(tensors, at: origin)
    var header = Record(kind: .arModel)
    try header.setJSONMetadata("config", configuration)
    try setOwnMetadata(of: &header, classes: classes, codes: table[0], codebook: settings.codebookSHA256)
    return stream(header, tensors)
  }

  /// Takes over what a file of this suite says of itself, and one that export-weights wrote.
  /// - Throws: `FormatError` where the model belongs to another codebook than that of the tokenizer.
  func setOwnMetadata(of header: inout Record, classes: Int, codes: Int, codebook: String) throws {
    if let own = weights.metadata["codebook_sha256"], own != codebook {
      throw FormatError(
        .badMetadata, at: origin, expected: "a model of codebook \(codebook.prefix(12)), that of --tokenizer",
        found: "one of codebook \(own.prefix(12))", hint: "--tokenizer with the tokenizer of this model")
    }
    let names = (weights.metadata["class_names"]?.utf8).flatMap {
      try? decodeStrictJSON([String].self, from: Array($0))
    }
    try header.setJSONMetadata("class_names", names?.count == classes ? names ?? [] : [])
    header.metadata["codebook_sha256"] = codebook
    // A size that is none would make a file that no tool reads.
    let size = weights.metadata["cluster_size"].flatMap { Int($0) }.flatMap {
      $0 > 0 && codes % $0 == 0 ? $0 : nil
    }
    header.metadata["cluster_size"] = String(size ?? 0)
  }

  private static let classTable = "cls_embedding.embedding_table.weight"

  var origin: Origin { Origin(file: weights.file) }

  private func stream(_ header: Record, _ tensors: [TensorInfo]) -> RecordStream {
    RecordStream(metadata: header.metadata, tensors: tensors) { info in
      let tensor = try float32(info.name, named: info.name)
      let missing = info.byteCount - tensor.bytes.count
      return missing == 0
        ? tensor
        : StoredTensor(
          name: info.name, elementType: .float32, shape: info.shape,
          bytes: tensor.bytes + [UInt8](repeating: 0, count: missing))
    }
  }

  // MARK: What shapes do not tell

  private func heads(layers: Int, width: Int, _ arguments: CheckpointArguments) throws -> Int {
    if let heads = settings.heads ?? arguments.heads { return heads }
    if let named = TransformerConfiguration.named.values.first(where: {
      $0.layers == layers && $0.width == width
    }) {
      return named.heads
    }
    throw ambiguous("how many heads a model of \(layers) layers of width \(width) has", "--heads")
  }

  private func grid(_ arguments: CheckpointArguments) throws -> (rows: Int, columns: Int) {
    if let grid = settings.grid ?? arguments.grid { return grid }
    if let side = arguments.gridSide { return (side, side) }
    throw ambiguous("which grid of tokens the model has", "--grid, such as 16x16 for images of 256 pixels")
  }

  /// The table has a row for each class, and mostly one more for "no class".
  private func classCount(rows: Int, _ arguments: CheckpointArguments) throws -> Int {
    if let classes = settings.classes ?? arguments.classes {
      guard classes == rows || classes == rows - 1 else {
        throw FormatError(
          .wrongShape, at: origin, expected: "\(classes) rows in \(Self.classTable), or one more",
          found: "\(rows)", hint: "check --classes")
      }
      return classes
    }
    // LlamaGen's models of ImageNet.
    if rows == 1001 { return 1000 }
    throw ambiguous(
      "whether the \(rows) rows of \(Self.classTable) are classes alone, or the last one is \"no class\"",
      "--classes \(rows - 1) or --classes \(rows)")
  }

  /// The width of the feed-forward layers is that of the weights; the configuration has the multiple that gives it.
  private func setFeedForward(
    of configuration: inout TransformerConfiguration, _ arguments: CheckpointArguments
  )
    throws
  {
    let width = try shape("layers.0.feed_forward.w1.weight", rank: 2)[0]
    let common = [arguments.multipleOf, 256, 128, 64, 32, 512, 1024, width].compactMap { $0 }
    for multiple in common where (1...1 << 24).contains(multiple) {
      configuration.feedForwardMultiple = multiple
      if configuration.feedForwardWidth == width { return }
    }
    throw FormatError(
      .wrongShape, at: origin,
      expected: "feed-forward layers at least 2/3 of 4 times as wide as the model (\(configuration.width))",
      found: "\(width)", hint: "such a model cannot be stored; train it without a smaller ffn_dim_multiplier")
  }

  func ambiguous(_ what: String, _ option: String) -> AmbiguousCheckpoint {
    AmbiguousCheckpoint(
      description:
        "\(weights.file): expected the checkpoint's args to say \(what); found nothing that does; try: "
        + option)
  }

  /// How many of a series of tensors are there, from 0 on.
  func count(_ name: (Int) -> String) -> Int {
    (0...inPart.count).first { inPart[name($0)] == nil } ?? 0
  }

  func require(_ problem: String?, scalars: @autoclosure () -> Int, _ tensors: [TensorInfo]) throws {
    var found = problem
    if found == nil {
      let (wanted, held) = (scalars(), tensors.reduce(0) { $0 + $1.byteCount / 4 })
      if wanted > 2 * held + (1 << 20) { found = "\(held) numbers for a model of \(wanted)" }
    }
    guard let found else { return }
    throw FormatError(
      .badShape, at: origin, expected: "tensors whose shapes fit together", found: found,
      hint: "check --as, --heads, --grid, --groups and --image-size")
  }
}

/// What a file says of a model besides its shapes: the `args` of training, under the names of LlamaGen's scripts and of its
/// model's options, and the `config` of a file of this suite, or of one that export-weights wrote.
struct CheckpointArguments {
  private let values: [String: SettingValue]
  private let transformer: TransformerConfiguration?
  private let tokenizer: TokenizerConfiguration?

  init(_ weights: ForeignWeights) {
    values = weights.arguments
    let config = weights.metadata["config"].map { Array($0.utf8) }
    transformer = config.flatMap { try? decodeStrictJSON(TransformerConfiguration.self, from: $0) }
    tokenizer = config.flatMap { try? decodeStrictJSON(TokenizerConfiguration.self, from: $0) }
  }

  var heads: Int? { integer("n_head") ?? named?.heads ?? transformer?.heads }
  var classes: Int? { integer("num_classes") ?? transformer?.classCount }
  var imageSize: Int? { integer("image_size") ?? tokenizer?.imageSize }
  var groups: Int? { tokenizer?.groups }
  var grid: (rows: Int, columns: Int)? { transformer.map { ($0.gridRows, $0.gridColumns) } }
  var normalizesCodes: Bool? {
    if case .bool(let value) = values["codebook_l2_norm"] { value } else { tokenizer?.normalizesCodes }
  }
  var multipleOf: Int? { integer("multiple_of") ?? transformer?.feedForwardMultiple }
  var ropeBase: Double? { number("rope_base") ?? transformer?.ropeBase }
  var normEpsilon: Double? { number("norm_eps") ?? transformer?.normEpsilon }

  /// Tokens along a side: the images' size over the tokenizer's downsampling, or the root of the sequence's length.
  var gridSide: Int? {
    if let size = integer("image_size"),
      let factor = integer("downsample_size") ?? integer("downsample_ratio"),
      factor > 0, size % factor == 0
    {
      return size / factor
    }
    guard let length = integer("block_size"), length > 0, length <= 1 << 24 else { return nil }
    let side = Int(Double(length).squareRoot())
    return side * side == length ? side : nil
  }

  private var named: (layers: Int, heads: Int, width: Int)? {
    guard case .text(let name) = values["gpt_model"] else { return nil }
    return TransformerConfiguration.named[name]
  }

  private func integer(_ name: String) -> Int? {
    if case .integer(let value) = values[name] { value } else { nil }
  }

  private func number(_ name: String) -> Double? {
    switch values[name] {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }
}
