import NeuralNet
import StreamFormat
import TensorCore

extension ParameterStore {
  /// The parameters as tensors of a file.
  /// - Parameter values: what to store in place of the parameters themselves, such as their moving average.
  public func storedTensors(values: [Tensor]? = nil, prefix: String = "") -> [StoredTensor] {
    parameters.enumerated().map { index, parameter in
      let value = values?[index] ?? parameter.variable.value
      return StoredTensor(
        name: prefix + parameter.name, shape: value.shape, floats: UnsafeBufferPointer(value.buffer))
    }
  }

  /// Fills the parameters from a record: every one must be there in its shape, and nothing else under the
  /// prefix.
  /// - Parameter others: names that may be there too.
  /// - Throws: `FormatError` for a missing, misshapen or unknown tensor, and for one with a NaN or an infinity.
  public func load(
    _ record: Record, prefix: String = "", into values: [Tensor]? = nil, besides others: Set<String> = []
  )
    throws
  {
    for (index, parameter) in parameters.enumerated() {
      let value = values?[index] ?? parameter.variable.value
      try record.tensor(prefix + parameter.name, shape: value.shape).copyFiniteFloats(into: value.buffer)
    }
    let known = others.union(parameters.map { prefix + $0.name })
    if let unknown = record.tensors.first(where: { $0.name.hasPrefix(prefix) && !known.contains($0.name) }) {
      throw unexpectedTensor(unknown.name, at: record.origin)
    }
  }
}

extension ParameterStore {
  /// Checks that there is a tensor in the shape of every parameter, and nothing else, without reading any.
  /// - Parameter fileName: what a parameter is called in the file, for messages.
  /// - Throws: `FormatError` for a missing, misshapen or unknown tensor.
  public func require(
    _ tensors: [TensorInfo], at origin: Origin, named fileName: (String) -> String = { $0 }
  ) throws {
    var summary = Record(tensors: [])
    summary.origin = origin
    let shapes = Dictionary(tensors.map { ($0.name, $0.shape) }) { first, _ in first }
    for parameter in parameters {
      guard let shape = shapes[parameter.name] else {
        _ = try summary.tensor(fileName(parameter.name))
        continue
      }
      guard shape == parameter.variable.shape else {
        throw FormatError(
          .wrongShape, at: origin,
          expected: "tensor '\(fileName(parameter.name))' of shape \(parameter.variable.shape)",
          found: "\(shape)", hint: "give a file made with the same settings")
      }
    }
    let known = Set(parameters.map(\.name))
    if let unknown = tensors.first(where: { !known.contains($0.name) }) {
      throw unexpectedTensor(fileName(unknown.name), at: origin)
    }
  }
}

func unexpectedTensor(_ name: String, at origin: Origin) -> FormatError {
  FormatError(
    .unexpectedTensor, at: origin, expected: "only the parameters that the configuration names",
    found: "a tensor \(name)", hint: "check that the configuration belongs to these weights")
}

extension Tokenizer {
  /// The tokenizer as a file's record: LlamaGen's parameter names, the sizes and the codebook's hash.
  public func record(values: [Tensor]? = nil, metadata: [String: String] = [:]) throws -> Record {
    let tensors = store.storedTensors(values: values)
    var all = metadata
    all["config"] = try sortedJSON(configuration)
    all["codebook_sha256"] = try codebookHash(tensors.first { $0.name == Self.codebookName }!)
    return Record(kind: .tokenizer, metadata: all, tensors: tensors)
  }

  /// Reads a tokenizer. A codebook that does not match its recorded hash is refused.
  /// - Throws: `FormatError`.
  public convenience init(_ record: Record, device: Device) throws {
    try record.require(kind: .tokenizer)
    let configuration = try record.jsonMetadata("config", as: TokenizerConfiguration.self)
    try record.requireConfiguration(configuration.problem)
    try record.requireNumbers(configuration.scalarCount, found: record.numberCount)
    self.init(configuration, device: device, seed: nil)
    try store.load(record)
    let (recorded, actual) = (
      try record.metadata("codebook_sha256"), try codebookHash(record.tensor(Self.codebookName))
    )
    guard recorded == actual else {
      throw FormatError(
        .badMetadata, at: record.origin, expected: "codebook_sha256 \(actual), the hash of the codebook",
        found: recorded, hint: "the file was put together from parts that do not belong together")
    }
    if let grid = configuration.quantizer,
      !grid.isOrder(UnsafeBufferPointer(codebook.value.buffer), dimension: configuration.codeDimension)
    {
      throw FormatError(
        .valueOutOfRange, at: record.origin,
        expected: "in \(Self.codebookName) each code of \(grid.kind.rawValue) once", found: "other numbers",
        hint: "the codes of such a tokenizer can be put into another order, but not changed")
    }
  }

  /// SHA-256 over the code vectors in order: what token files, mappings and models are matched by.
  public var codebookSHA256: String {
    SHA256Hasher.hex(of: UnsafeRawBufferPointer(codebook.value.buffer))
  }

  /// The codebook's name in files.
  public static let codebookName = "quantize.embedding.weight"
}

/// The metadata of an autoregressive model's file besides its sizes.
public struct ModelDescription: Equatable, Sendable {
  /// Hash of the codebook whose tokens it models.
  public var codebookSHA256: String
  /// Names of the classes, or empty.
  public var classNames: [String]
  /// Codes per cluster, if the model was trained with the cluster loss; otherwise 0.
  public var clusterSize: Int

  public init(codebookSHA256: String, classNames: [String], clusterSize: Int) {
    (self.codebookSHA256, self.classNames, self.clusterSize) = (codebookSHA256, classNames, clusterSize)
  }

  /// That of a record.
  /// - Throws: `FormatError`.
  public init(_ record: Record) throws {
    codebookSHA256 = try record.metadata("codebook_sha256")
    classNames = try record.jsonMetadata("class_names")
    clusterSize = try record.integerMetadata("cluster_size", in: 0...1 << 24)
  }

  /// As metadata strings.
  public func metadata() throws -> [String: String] {
    [
      "codebook_sha256": codebookSHA256, "class_names": try sortedJSON(classNames),
      "cluster_size": String(clusterSize),
    ]
  }
}

extension Transformer {
  /// The model as a file's record: LlamaGen's parameter names and every size.
  public func record(
    values: [Tensor]? = nil, description: ModelDescription, metadata: [String: String] = [:]
  ) throws -> Record {
    var all = metadata.merging(try description.metadata()) { _, new in new }
    all["config"] = try sortedJSON(configuration)
    return Record(kind: .arModel, metadata: all, tensors: store.storedTensors(values: values))
  }

  /// Reads a model and its metadata.
  /// - Throws: `FormatError`.
  public static func read(_ record: Record, device: Device) throws -> (Transformer, ModelDescription) {
    let (configuration, description) = try header(of: record, numbers: record.numberCount)
    let model = Transformer(configuration, device: device, seed: nil)
    try model.store.load(record)
    return (model, description)
  }

  /// The checked metadata of a model.
  /// - Parameter numbers: how many the record's tensors hold.
  static func header(of record: Record, numbers: Int) throws -> (TransformerConfiguration, ModelDescription) {
    try record.require(kind: .arModel)
    let configuration = try record.jsonMetadata("config", as: TransformerConfiguration.self)
    try record.requireConfiguration(configuration.problem)
    try record.requireConfiguration(
      configuration.inputVocabularySize.map { "input_vocab_size \($0), which only a fine model has" })
    let description = try ModelDescription(record)
    try checkDescription(description, configuration, record)
    try record.requireNumbers(configuration.scalarCount, found: numbers)
    return (configuration, description)
  }
}

private func checkDescription(
  _ description: ModelDescription, _ configuration: TransformerConfiguration, _ record: Record
) throws {
  try record.requireClassNames(description.classNames, count: configuration.classCount)
  try record.requireClusters(description.clusterSize, codes: configuration.vocabularySize)
}

private func codebookHash(_ stored: StoredTensor) throws -> String {
  guard stored.elementType == .float32 else {
    // The hash is over float32 bytes: a codebook in another precision is hashed as it is read.
    return try stored.floats().withUnsafeBytes { SHA256Hasher.hex(of: $0) }
  }
  return stored.withBytes { SHA256Hasher.hex(of: $0) }
}
