import StreamFormat
import TensorCore

extension PackedTransformer {
  /// The contents of a model file.
  public struct FileContent {
    /// The weights.
    public let model: PackedTransformer
    /// The metadata of the model.
    public let description: ModelDescription
    /// The record without its tensors.
    public let summary: RecordSummary
  }

  /// Reads the next record as a model, tensor by tensor: beside the packed weights no more than one tensor is in
  /// memory at a time.
  /// - Parameter admit: is shown the sizes before memory is allocated for them, and may refuse them.
  /// - Returns: nil at the end of the file.
  /// - Throws: `FormatError`, as ``Transformer/read(_:device:)``; `StreamError`; what `admit` throws.
  public static func read(
    _ reader: RecordReader, precision: SamplingPrecision, device: Device,
    admit: (TransformerConfiguration) throws -> Void = { _ in }
  ) throws -> FileContent? {
    var started: (model: PackedTransformer, description: ModelDescription)?
    let summary = try reader.nextSummary { summary in
      let numbers = summary.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
      let (configuration, description) = try Transformer.header(of: summary.withoutTensors, numbers: numbers)
      try admit(configuration)
      try requireMemory(bytes(configuration, precision), at: summary.origin)
      let model = PackedTransformer(configuration, precision, device: device)
      try model.requireFit(summary)
      started = (model, description)
    } visit: { tensor in
      guard let model = started?.model else { return }
      let scratch = device.empty(tensor.shape)
      try tensor.copyFiniteFloats(into: scratch.buffer)
      model.fill(tensor.name, scratch.pointer)
    }
    // The memory in which the tensors were converted.
    device.memory.trim()
    guard let summary, let (model, description) = started else { return nil }
    model.complete()
    return FileContent(model: model, description: description, summary: summary)
  }

  /// The weights come tensor by tensor, and all are given their place before the first: a header may claim any size.
  private static func requireMemory(_ bytes: Int, at origin: Origin) throws {
    guard !StreamedMemory.isAvailable(bytes: bytes) else { return }
    throw FormatError(
      .tensorTooLarge, at: origin, expected: "a model whose weights fit in memory",
      found: "\(bytes >> 20) MB of weights", hint: "--precision int8, or a machine with more memory")
  }

  /// Every parameter must be there in its shape, and nothing else.
  private func requireFit(_ summary: RecordSummary) throws {
    for parameter in parameters { try summary.require(parameter.name, shape: parameter.shape) }
    let known = Set(parameters.map(\.name))
    if let unknown = summary.tensors.first(where: { !known.contains($0.name) }) {
      throw unexpectedTensor(unknown.name, at: summary.origin)
    }
  }
}
