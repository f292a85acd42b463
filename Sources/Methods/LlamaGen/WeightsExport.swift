import ImageModels
import NeuralNet
import StreamFormat
import TensorCore

/// A tokenizer or a model as LlamaGen's programs load it: the tensors of the state dictionary, and the arguments from which
/// its class is made.
public struct WeightsExport {
  /// The tensors under LlamaGen's names.
  public let weights: RecordStream
  /// The fields of LlamaGen's `ModelArgs`, as JSON.
  public let arguments: String
  /// Sizes that LlamaGen's class cannot have, each as a sentence; where there is one, its code must be changed first.
  public let obstacles: [String]

  /// - Throws: `FormatError` for a record of another kind, or a tokenizer that is none of LlamaGen's.
  public init(_ record: Record, device: Device) throws {
    switch record.metadata["kind"] {
    case FileKind.arModel.rawValue:
      let (model, description) = try Transformer.read(record, device: device)
      let sizes = model.configuration
      arguments = try sortedJSON(TransformerArguments(sizes))
      obstacles = Self.obstacles(sizes)
      weights = RecordStream(
        metadata: try description.metadata().merging(["config": sortedJSON(sizes)]) { own, _ in own },
        model.store)
    case FileKind.tokenizer.rawValue:
      let tokenizer = try Tokenizer(record, device: device)
      let sizes = tokenizer.configuration
      try Self.requireLlamaGens(sizes, record)
      arguments = try sortedJSON(TokenizerArguments(sizes))
      obstacles = Self.obstacles(sizes)
      weights = RecordStream(
        metadata: ["codebook_sha256": tokenizer.codebookSHA256, "config": try sortedJSON(sizes)],
        tokenizer.store,
        besides: Self.usageBuffer)
    default:
      throw FormatError(
        .wrongKind, at: record.origin, expected: "a file of kind ar-model or tokenizer, which LlamaGen knows",
        found: record.metadata["kind"] ?? "none",
        hint: "'zstd -d' makes a safetensors file of any other model, under the names that show-file prints")
    }
  }

  /// The latents that LlamaGen's quantiser has seen last, which its class expects in the state dictionary. All 0 is how it
  /// starts.
  private static let usageBuffer = StoredTensor(
    name: "quantize.codebook_used", elementType: .float32, shape: [65_536],
    bytes: [UInt8](repeating: 0, count: 4 * 65_536))

  private static func requireLlamaGens(_ sizes: TokenizerConfiguration, _ record: Record) throws {
    guard sizes.multiScale == nil, sizes.quantizer == nil, sizes.attentionLevels == nil,
      (sizes.codeKernel ?? 1) == 1
    else {
      throw FormatError(
        .badMetadata, at: record.origin, expected: "an autoencoder built as LlamaGen's is",
        found: "one of VAR, of taming-transformers, or with another quantiser",
        hint: "'zstd -d' makes a safetensors file of it, under the names that show-file prints")
    }
  }

  private static func obstacles(_ sizes: TransformerConfiguration) -> [String] {
    sizes.gridRows == sizes.gridColumns
      ? [] : ["the token grid is \(sizes.gridRows)x\(sizes.gridColumns), and LlamaGen's is square"]
  }

  private static func obstacles(_ sizes: TokenizerConfiguration) -> [String] {
    let fixed = TokenizerConfiguration()
    let found = [
      ("ch", "\(sizes.channels)", "\(fixed.channels)"),
      ("num_res_blocks", "\(sizes.residualBlocks)", "\(fixed.residualBlocks)"),
      ("num_groups", "\(sizes.groups)", "\(fixed.groups)"),
      ("eps", "\(sizes.normEpsilon)", "\(fixed.normEpsilon)"),
    ]
    return found.filter { $0.1 != $0.2 }.map { "\($0.0) is \($0.1), and LlamaGen's is always \($0.2)" }
  }
}

extension RecordStream {
  /// The parameters of a model, and one tensor more.
  fileprivate init(metadata: [String: String], _ store: ParameterStore, besides extra: StoredTensor? = nil) {
    let values = Dictionary(uniqueKeysWithValues: store.parameters.map { ($0.name, $0.variable.value) })
    var infos = store.parameters.map {
      TensorInfo(name: $0.name, elementType: .float32, shape: $0.variable.shape)
    }
    if let extra { infos.append(TensorInfo(name: extra.name, elementType: .float32, shape: extra.shape)) }
    // Hugging Face's loaders read a file only if it says of which library its tensors are.
    self.init(metadata: metadata.merging(["format": "pt"]) { own, _ in own }, tensors: infos) { info in
      guard let value = values[info.name] else { return extra! }
      return StoredTensor(name: info.name, shape: info.shape, floats: UnsafeBufferPointer(value.buffer))
    }
  }
}

/// The fields of `ModelArgs` in LlamaGen's `autoregressive/models/gpt.py` that decide what a model computes.
private struct TransformerArguments: Encodable {
  let dim, n_layer, n_head, multiple_of, num_classes, vocab_size, block_size: Int
  let rope_base, norm_eps: Double
  let model_type = "c2i"
  let cls_token_num = 1

  init(_ sizes: TransformerConfiguration) {
    (dim, n_layer, n_head) = (sizes.width, sizes.layers, sizes.heads)
    (multiple_of, num_classes) = (sizes.feedForwardMultiple, sizes.classCount)
    (vocab_size, block_size) = (sizes.vocabularySize, sizes.tokenCount)
    (rope_base, norm_eps) = (sizes.ropeBase, sizes.normEpsilon)
  }
}

/// The fields of `ModelArgs` in LlamaGen's `tokenizer/tokenizer_image/vq_model.py`.
private struct TokenizerArguments: Encodable {
  let codebook_size, codebook_embed_dim, z_channels: Int
  let codebook_l2_norm: Bool
  let encoder_ch_mult, decoder_ch_mult: [Int]

  init(_ sizes: TokenizerConfiguration) {
    (codebook_size, codebook_embed_dim) = (sizes.codebookSize, sizes.codeDimension)
    (z_channels, codebook_l2_norm) = (sizes.zChannels, sizes.normalizesCodes)
    (encoder_ch_mult, decoder_ch_mult) = (sizes.multipliers, sizes.multipliers)
  }
}
