import ForeignFiles
import ImageModels
import StreamFormat
import TensorCore
import VAR

/// VAR's transformers, as published in `var_d16.pth` and so on. Their shapes tell all sizes, and their tokenizer the scales.
extension WeightsImport {
  func varModel(_ device: Device) throws -> RecordStream {
    // Tables that the model makes for itself.
    let infos = try floatInfos {
      ["lvl_1L", "attn_bias_for_masking"].contains($0) || $0.hasSuffix(".zero_k_bias")
    }
    guard let tokenizer = settings.tokenizer, let quantizer = tokenizer.configuration.multiScale else {
      throw ambiguous(
        "which scales the model has", "--tokenizer, the imported VAR tokenizer that it was trained with")
    }
    let words = try shape("word_embed.weight", rank: 2)
    let layers = count { "blocks.\($0).attn.mat_qkv.weight" }
    let scaleName = "blocks.0.attn.scale_mul_1H11"
    let normalizes = inPart[scaleName] != nil
    var configuration = VARConfiguration(
      layers: layers,
      heads: normalizes ? try shape(scaleName, rank: 4)[1] : settings.heads ?? layers, width: words[0],
      vocabularySize: try shape("head.weight", rank: 2)[0], codeDimension: words[1],
      classCount: try shape("class_emb.weight", rank: 2)[0] - 1, multiScale: quantizer,
      sharesConditioning: inPart["shared_ada_lin.1.weight"] != nil)
    configuration.normalizesQueries = normalizes
    configuration.feedForwardRatio =
      Double(try shape("blocks.0.ffn.fc1.weight", rank: 2)[0]) / Double(configuration.width)
    try require(configuration.problem, scalars: configuration.scalarCount, infos)
    guard
      tokenizer.codebook.shape == [configuration.vocabularySize, configuration.codeDimension],
      try shape("pos_1LC", rank: 3)[1] == configuration.tokenCount
    else {
      throw FormatError(
        .badShape, at: origin,
        expected:
          "a model of \(configuration.tokenCount) tokens of \(tokenizer.codebook.shape[0]) codes, as --tokenizer has",
        found: "\(try shape("pos_1LC", rank: 3)[1]) tokens of \(configuration.vocabularySize) codes",
        hint: "import the tokenizer with the --image-size of the model")
    }
    let model = VARTransformer(configuration, device: device, seed: nil)
    model.adopt(tokenizer)
    try model.store.require(infos, at: origin)
    let held = Dictionary(
      uniqueKeysWithValues: model.frozen.storedTensors().map { ($0.name, $0) })
    var header = Record(kind: .varModel)
    try header.setJSONMetadata("config", configuration)
    try setOwnMetadata(
      of: &header, classes: configuration.classCount, codes: configuration.vocabularySize,
      codebook: model.codebookSHA256)
    let all =
      infos + held.values.map { TensorInfo(name: $0.name, elementType: .float32, shape: $0.shape) }
    return RecordStream(metadata: header.metadata, tensors: all) { info in
      try held[info.name] ?? float32(info.name, named: info.name)
    }
  }
}
