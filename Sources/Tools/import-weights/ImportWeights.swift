import ArgumentParser
import FeatureNetworks
import ForeignFiles
import ImageModels
import LlamaGen
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

@main struct ImportWeights: Tool {
  static let toolName = "import-weights"
  static let summary =
    "Converts weights of other programs: torch, pickled NumPy, .npy, .npz and safetensors."
  static let usageExample =
    "import-weights --as inception-v3 pt_inception-2015-12-05-6726825d.pth --output inception.tensors.zst"
  static var versionDetails: [String] { BuildInformation.lines }

  @Argument(help: "Weights file, or '-' for standard input. Code in a pickle is not run.")
  var weights: InputPath
  @Option(
    name: .customLong("as"), help: ArgumentHelp("What the weights are: \(Self.targets).", valueName: "what"))
  var target: String
  @Option(name: .shortAndLong, help: "File to write, or '-' for standard output.") var output: OutputPath
  @Option(
    help: ArgumentHelp(
      "Part of the checkpoint to import, such as ema. (default: model, or what LlamaGen's "
        + "and taming's scripts take if there is none)"))
  var part: String?
  @Option(help: "For ar-model: the file of the tokenizer with which it was trained.") var tokenizer:
    InputPath?
  @Option(
    help: ArgumentHelp(
      "For ar-model: the token grid, rows x columns. (default: from the checkpoint's args)",
      valueName: "ROWSxCOLUMNS"), transform: TokenGridSize.parse)
  var grid: TokenGridSize?
  @Option(
    help: ArgumentHelp(
      "For ar-model: the number of attention heads. (default: from the checkpoint's args, or "
        + "LlamaGen's)"))
  var heads: Int?
  @Option(
    help: ArgumentHelp(
      "For ar-model: the number of classes, without 'no class'. (default: from the "
        + "checkpoint's args)"))
  var classes: Int?
  @Option(help: "For lpips-alex and lpips-vgg: the file of the linear heads.") var linearHeads: InputPath?
  @Option(
    help: ArgumentHelp(
      "For tokenizer: the side of its images in pixels. (default: from the checkpoint's args, "
        + "or 256)"))
  var imageSize: Int?
  @Option(
    help: ArgumentHelp(
      "For tokenizer: the number of groups of group normalisation. (default: what export-weights wrote, "
        + "or 32)"))
  var groups: Int?
  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp(
      "For tokenizer: scale latents and codes to length 1. (default: from the checkpoint's "
        + "args; else yes, or no for a VQGAN or a VAR tokenizer)"))
  var l2Norm: Bool?
  @Option(
    help: ArgumentHelp(
      "For a VAR tokenizer: the sides of its grids of tokens, such as 1,2,3,4. (default: the published ones)")
  )
  var scales: String?
  @Option(
    help: ArgumentHelp(
      "For a VAR tokenizer: r, the share of the convolutions phi, from 0 to 1. (default: 0.5, or 0 without them)"
    ))
  var residualRatio: Double?
  @Flag(help: "Accept NaN and infinity among the weights.") var allowNonFinite = false
  @OptionGroup(title: "Common") var common: CommonOptions

  private static let targets = ImportTarget.allCases.map(\.rawValue).joined(separator: ", ")

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output)
    try InputPath.requireDistinct(weights, tokenizer, linearHeads)
    guard let kind = ImportTarget(rawValue: target) else {
      throw ValidationError("--as must be one of \(Self.targets), not '\(target)'.")
    }
    let takesHeads = [.lpipsAlex, .lpipsVGG].contains(kind)
    if kind == .arModel && tokenizer == nil {
      throw ValidationError(
        "--as ar-model needs --tokenizer FILE, the tokenizer whose codes the model predicts.")
    }
    if kind != .arModel && tokenizer != nil { throw ValidationError("--tokenizer belongs to --as ar-model.") }
    if takesHeads && linearHeads == nil { throw ValidationError("--as \(target) needs --linear-heads FILE.") }
    if !takesHeads && linearHeads != nil {
      throw ValidationError("--linear-heads belongs to --as lpips-alex and lpips-vgg.")
    }
    if kind != .tokenizer && (scales != nil || residualRatio != nil) {
      throw ValidationError("--scales and --residual-ratio belong to --as tokenizer.")
    }
    if scales != nil && sides == nil { throw ValidationError("--scales must be numbers such as 1,2,3,4.") }
    if !(0...1).contains(residualRatio ?? 0) {
      throw ValidationError("--residual-ratio must be from 0 to 1.")
    }
    if (imageSize ?? 1) < 1 || (groups ?? 1) < 1 || (heads ?? 1) < 1 || (classes ?? 1) < 1 {
      throw ValidationError("--image-size, --groups, --heads and --classes must be at least 1.")
    }
  }

  private var sides: [Int]? { scales.flatMap { commaSeparated($0) { Int($0) } } }

  func execute(_ session: ToolSession) throws {
    guard let kind = ImportTarget(rawValue: target) else { return }
    let device = Device(threadCount: session.threads)
    let foreign = try read(weights, session)
    try session.inherit(foreign.metadata, from: weights)
    let source = try WeightsImport(foreign, as: kind, settings(session, device))
    if !source.part.isEmpty { session.say("taking the part '\(source.part)' of \(weights.path)") }
    for warning in try source.warnings(as: kind) { session.warn("warning: \(warning)") }
    let stream = try source.stream(as: kind, device: device)
    let hasher = WeightsHasher()
    try session.write(hasher.watching(stream), to: output)
    let numbers = stream.tensors.reduce(0) { $0 + $1.byteCount / $1.elementType.byteCount }
    try session.report([
      "as": .string(target), "part": .string(source.part), "tensors": .integer(stream.tensors.count),
      "numbers": .integer(numbers), "weights_sha256": .string(hasher.sha256),
    ])
    session.say("\(stream.tensors.count) tensors of \(target), \(numbers) numbers")
  }

  private func settings(_ session: ToolSession, _ device: Device) throws -> ImportSettings {
    var settings = ImportSettings()
    (settings.part, settings.heads, settings.grid, settings.classes) = (
      part, heads, grid.map { ($0.rows, $0.columns) }, classes
    )
    (settings.imageSize, settings.groups, settings.normalizesCodes) = (imageSize, groups, l2Norm)
    (settings.scales, settings.residualRatio) = (sides, residualRatio)
    settings.allowsNonFinite = allowNonFinite
    if let tokenizer {
      let read = try Tokenizer(session.readRecord(tokenizer), device: device)
      (settings.tokenizer, settings.codebookSHA256) = (read, read.codebookSHA256)
    }
    if let linearHeads { settings.linearHeads = try read(linearHeads, session) }
    return settings
  }

  private func read(_ input: InputPath, _ session: ToolSession) throws -> ForeignWeights {
    let source = try PeekedSource(session.open(input), count: 64)
    // A pipe or a device is copied first, and it may have no end: only what some reader knows is.
    guard ForeignWeights.isKnown(start: source.peeked) else {
      return try ForeignWeights(source.peeked, file: source.name)
    }
    return try ForeignWeights(MappedFile(source))
  }
}

/// Hashes weights while they are written: all are F32, which are written in the order of their names.
private final class WeightsHasher {
  private var hasher = SHA256Hasher()
  var sha256: String { hasher.finish() }

  func watching(_ stream: RecordStream) -> RecordStream {
    RecordStream(metadata: stream.metadata, tensors: stream.tensors) { info in
      let tensor = try stream.make(info)
      Array((tensor.name + "\0").utf8).withUnsafeBytes { self.hasher.update($0) }
      tensor.withBytes { self.hasher.update($0) }
      return tensor
    }
  }
}

extension AmbiguousCheckpoint: ExitCoded {
  /// The user must say more.
  public var exitCode: ToolExit { .usage }
}
