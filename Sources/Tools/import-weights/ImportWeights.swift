import ArgumentParser
import FeatureNetworks
import ForeignFiles
import ImageModels
import LlamaGen
import StreamFormat
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
      "Part of the checkpoint to import, such as ema. (default: ema of a tokenizer, model of a "
        + "model)"))
  var part: String?
  @Option(help: "For ar-model: the file of the tokenizer with which it was trained.")
  var tokenizer: InputPath?
  @Option(help: "For ar-model: the token grid, rows x columns.") var grid = "16x16"
  @Option(
    help: ArgumentHelp(
      "For ar-model: the number of attention heads. (default: that of LlamaGen's model of this "
        + "size)"))
  var heads: Int?
  @Option(help: "For lpips-alex and lpips-vgg: the file of the linear heads.") var linearHeads: InputPath?
  @Option(help: "For tokenizer: the side of its images, in pixels.") var imageSize = 256
  @Option(help: "For tokenizer: the number of groups of group normalisation.") var groups = 32
  @Flag(inversion: .prefixedNo, help: "For tokenizer: whether latents and codes are scaled to length 1.")
  var l2Norm = true
  @OptionGroup(title: "Common") var common: CommonOptions

  private static let targets = ImportTarget.allCases.map(\.rawValue).joined(separator: ", ")

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output)
    try InputPath.requireDistinct(weights, tokenizer, linearHeads)
    guard let kind = ImportTarget(rawValue: target) else {
      throw ValidationError("--as must be one of \(Self.targets), not '\(target)'.")
    }
    if (kind == .arModel) != (tokenizer != nil) {
      throw ValidationError("--tokenizer belongs to --as ar-model, which needs it to know the codebook.")
    }
    if [.lpipsAlex, .lpipsVGG].contains(kind) != (linearHeads != nil) {
      throw ValidationError("--linear-heads belongs to --as lpips-alex and lpips-vgg, which need it.")
    }
    if gridSize == nil { throw ValidationError("--grid must be rows x columns, as 16x16, not '\(grid)'.") }
    if imageSize < 1 || groups < 1 || (heads ?? 1) < 1 {
      throw ValidationError("--image-size, --groups and --heads must be at least 1.")
    }
  }

  private var gridSize: (rows: Int, columns: Int)? {
    let sides = grid.split(separator: "x").compactMap { Int($0) }
    return sides.count == 2 && sides.allSatisfy { (1...4096).contains($0) } ? (sides[0], sides[1]) : nil
  }

  func execute(_ session: ToolSession) throws {
    guard let kind = ImportTarget(rawValue: target), let grid = gridSize else { return }
    let device = Device(threadCount: session.threads)
    var settings = ImportSettings()
    (settings.part, settings.heads, settings.grid) = (part, heads, grid)
    (settings.imageSize, settings.groups, settings.normalizesCodes) = (imageSize, groups, l2Norm)
    if let tokenizer {
      settings.codebookSHA256 = try Tokenizer(session.readRecord(tokenizer), device: device).codebookSHA256
    }
    if let linearHeads { settings.linearHeads = try read(linearHeads, session) }
    let foreign = try read(weights, session)
    let record = try WeightsImport(foreign, as: kind, settings).record(as: kind, device: device)
    try session.write(record, to: output)
    let numbers = record.tensors.reduce(0) { $0 + $1.elementCount }
    try session.report([
      "as": .string(target), "tensors": .integer(record.tensors.count), "numbers": .integer(numbers),
      "weights_sha256": .string(record.weightsSHA256),
    ])
    session.say("\(record.tensors.count) tensors of \(target), \(numbers) numbers")
  }

  private func read(_ input: InputPath, _ session: ToolSession) throws -> ForeignWeights {
    let source = try session.open(input)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = try chunk.withUnsafeMutableBytes { try source.read(into: $0) }
      if count == 0 { return try ForeignWeights(bytes, file: input.path) }
      bytes += chunk[..<count]
    }
  }
}

extension ForeignFileError: ExitCoded {
  public var exitCode: ToolExit { .badData }
}
