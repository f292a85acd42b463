import Autograd
import ImageModels
import NeuralNet
import StreamFormat
import TensorCore

extension VARTransformer: ClassConditional {
  public static var classTableName: String { "class_emb.weight" }
  public var layerCount: Int { configuration.layers }
}

extension VARTransformer {
  /// The model as a file's record: VAR's parameter names, every size, and the tokenizer's codebook and convolutions.
  public func record(
    values: [Tensor]? = nil, description: ModelDescription, metadata: [String: String] = [:]
  ) throws -> Record {
    var all = metadata.merging(try description.metadata()) { _, new in new }
    all["config"] = try sortedJSON(configuration)
    return Record(
      kind: .varModel, metadata: all, tensors: store.storedTensors(values: values) + frozen.storedTensors())
  }

  /// Reads a model and its metadata.
  /// - Throws: `FormatError`: also where the codebook is not the one that the metadata names.
  public static func read(_ record: Record, device: Device) throws -> (VARTransformer, ModelDescription) {
    try record.require(kind: .varModel)
    let configuration = try record.jsonMetadata("config", as: VARConfiguration.self)
    try record.requireConfiguration(configuration.problem)
    let description = try ModelDescription(record)
    try record.requireClassNames(description.classNames, count: configuration.classCount)
    try record.requireClusters(description.clusterSize, codes: configuration.vocabularySize)
    try record.requireNumbers(
      configuration.scalarCount + configuration.frozenCount, found: record.numberCount)
    let model = VARTransformer(configuration, device: device, seed: nil)
    let (trained, held) = (model.store, model.frozen)
    try held.load(record, besides: Set(record.tensors.map(\.name)))
    try trained.load(record, besides: Set(held.parameters.map(\.name)))
    let actual = model.codebookSHA256
    guard description.codebookSHA256 == actual else {
      throw FormatError(
        .badMetadata, at: record.origin, expected: "codebook_sha256 \(actual), the hash of the codebook",
        found: description.codebookSHA256,
        hint: "the file was put together from parts that do not belong together")
    }
    return (model, description)
  }

  /// SHA-256 over the code vectors in order: what tokens are matched by.
  public var codebookSHA256: String {
    SHA256Hasher.hex(of: UnsafeRawBufferPointer(frozen.parameters[0].variable.value.buffer))
  }
}
