import ImageModels
import StreamFormat
import TensorCore

/// LlamaGen's checkpoints do not name their sizes; the shapes tell almost all.
extension WeightsImport {
  func tokenizer(_ device: Device) throws -> Record {
    // A buffer that counts codes in training.
    let tensors = try tensors { $0 == "quantize.codebook_used" }
    let first = try shape("encoder.conv_in.weight", rank: 4)
    let codebook = try shape(Tokenizer.codebookName, rank: 2)
    var configuration = TokenizerConfiguration(
      channels: first[0], multipliers: [],
      residualBlocks: count { "encoder.conv_blocks.0.res.\($0).conv1.weight" },
      zChannels: try shape("encoder.conv_out.weight", rank: 4)[0], codebookSize: codebook[0],
      codeDimension: codebook[1], normalizesCodes: settings.normalizesCodes, groups: settings.groups,
      imageSize: settings.imageSize)
    for level in 0..<count({ "encoder.conv_blocks.\($0).res.0.conv1.weight" }) {
      let width = try shape("encoder.conv_blocks.\(level).res.0.conv1.weight", rank: 4)[0]
      configuration.multipliers.append(width / first[0])
    }
    try require(configuration.problem)
    var record = Record(kind: .tokenizer, tensors: tensors)
    record.origin = Origin(file: weights.file)
    try record.setJSONMetadata("config", configuration)
    record.metadata["codebook_sha256"] = try record.tensor(Tokenizer.codebookName).withBytes {
      SHA256Hasher.hex(of: $0)
    }
    _ = try Tokenizer(record, device: device)
    return record
  }

  func arModel(_ device: Device) throws -> Record {
    let tensors = try tensors { _ in false }
    let table = try shape("tok_embeddings.weight", rank: 2)
    let layers = count { "layers.\($0).attention.wqkv.weight" }
    let named = TransformerConfiguration.named.values.first { $0.layers == layers && $0.width == table[1] }
    let configuration = TransformerConfiguration(
      layers: layers, heads: settings.heads ?? named?.heads ?? max(1, table[1] / 64), width: table[1],
      vocabularySize: table[0], gridRows: settings.grid.rows, gridColumns: settings.grid.columns,
      classCount: try shape("cls_embedding.embedding_table.weight", rank: 2)[0] - 1)
    try require(configuration.problem)
    var record = Record(kind: .arModel, tensors: tensors)
    record.origin = Origin(file: weights.file)
    try record.setJSONMetadata("config", configuration)
    try record.setJSONMetadata("class_names", [String]())
    record.metadata["codebook_sha256"] = settings.codebookSHA256
    record.metadata["cluster_size"] = "0"
    _ = try Transformer.read(record, device: device)
    return record
  }

  /// How many of a series of tensors are there, from 0 on.
  private func count(_ name: (Int) -> String) -> Int {
    (0...inPart.count).first { inPart[name($0)] == nil } ?? 0
  }

  private func require(_ problem: String?) throws {
    guard let problem else { return }
    throw FormatError(
      .badShape, at: Origin(file: weights.file), expected: "tensors whose shapes fit together",
      found: problem,
      hint: "check --as, --heads, --groups and --image-size")
  }
}
