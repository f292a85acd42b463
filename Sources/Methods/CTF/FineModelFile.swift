import ImageModels
import NeuralNet
import StreamFormat
import TensorCore

/// The metadata of a fine model's file besides its sizes.
public struct FineModelDescription: Equatable, Sendable {
  /// Hash of the fine codebook, whose tokens it gives.
  public var codebookSHA256: String
  /// Hash of the coarse codebook: the target of the mapping.
  public var coarseCodebookSHA256: String
  /// Names of the classes, or empty.
  public var classNames: [String]

  public init(codebookSHA256: String, coarseCodebookSHA256: String, classNames: [String]) {
    (self.codebookSHA256, self.coarseCodebookSHA256) = (codebookSHA256, coarseCodebookSHA256)
    self.classNames = classNames
  }
}

extension FineModel {
  /// The mapping's name in files.
  static let mappingName = "fine_to_coarse"

  /// The model as a file's record: LlamaGen's parameter names, every size, and the mapping.
  /// - Parameter values: what to store in place of the parameters, such as their moving average.
  public func record(
    values: [Tensor]? = nil, description: FineModelDescription, metadata: [String: String] = [:]
  ) throws -> Record {
    var all = metadata
    all["config"] = try sortedJSON(configuration)
    all["codebook_sha256"] = description.codebookSHA256
    all["coarse_codebook_sha256"] = description.coarseCodebookSHA256
    all["class_names"] = try sortedJSON(description.classNames)
    all["cluster_mask"] = isMasked ? "1" : "0"
    let mapping = StoredTensor(
      name: Self.mappingName, shape: [fineToCoarse.count], uint32s: fineToCoarse.map { UInt32($0) })
    return Record(kind: .fineModel, metadata: all, tensors: store.storedTensors(values: values) + [mapping])
  }

  /// Reads a model and its metadata.
  /// - Throws: `FormatError`.
  public static func read(_ record: Record, device: Device) throws -> (FineModel, FineModelDescription) {
    try record.require(kind: .fineModel)
    let sizes = try record.jsonMetadata("config", as: TransformerConfiguration.self)
    try record.requireConfiguration(sizes.problem)
    let description = FineModelDescription(
      codebookSHA256: try record.metadata("codebook_sha256"),
      coarseCodebookSHA256: try record.metadata("coarse_codebook_sha256"),
      classNames: try record.jsonMetadata("class_names"))
    try record.requireClassNames(description.classNames, count: sizes.classCount)
    try record.requireNumbers(sizes.scalarCount, found: record.numberCount)
    let isMasked = try record.integerMetadata("cluster_mask", in: 0...1) == 1
    let mapping = try readMapping(record, sizes)
    let transformer = Transformer(sizes, device: device, seed: nil)
    var parameters = record
    parameters.tensors.removeAll { $0.name == mappingName }
    try transformer.store.load(parameters)
    return (FineModel(transformer, fineToCoarse: mapping, isMasked: isMasked), description)
  }

  private static func readMapping(_ record: Record, _ sizes: TransformerConfiguration) throws -> [Int] {
    let stored = try record.tensor(mappingName, shape: [sizes.vocabularySize])
    let mapping = try stored.integers()
    if let wrong = mapping.firstIndex(where: { !(0..<sizes.inputCodes).contains($0) }) {
      throw FormatError(
        .valueOutOfRange, at: record.origin,
        expected: "\(mappingName) of code \(wrong) from 0 to \(sizes.inputCodes - 1)",
        found: "\(mapping[wrong])",
        hint: "make the file again with train-fine")
    }
    return mapping
  }
}
