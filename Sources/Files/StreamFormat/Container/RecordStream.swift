/// A record whose tensors are made one after the other while it is written, so that they are never in memory together.
public struct RecordStream {
  /// The strings of `__metadata__`.
  public var metadata: [String: String]
  /// The tensors, in the order in which they are written: by falling element size and then by name.
  public let tensors: [TensorInfo]
  /// Makes a tensor, which has the name, type and shape that it is asked for with.
  public let make: (TensorInfo) throws -> StoredTensor

  /// A record whose tensors `make` gives.
  public init(
    metadata: [String: String], tensors: [TensorInfo], make: @escaping (TensorInfo) throws -> StoredTensor
  ) {
    (self.metadata, self.make) = (metadata, make)
    self.tensors = tensors.sorted {
      ($1.elementType.byteCount, $0.name) < ($0.elementType.byteCount, $1.name)
    }
  }

  /// A record that is in memory.
  public init(_ record: Record) {
    let byName = Dictionary(record.tensors.map { ($0.name, $0) }) { first, _ in first }
    self.init(
      metadata: record.metadata,
      tensors: record.tensors.map {
        TensorInfo(name: $0.name, elementType: $0.elementType, shape: $0.shape, byteCount: $0.bytes.count)
      },
      make: { byName[$0.name]! })
  }

  /// The whole record in memory.
  /// - Throws: What making the tensors throws.
  public func record() throws -> Record { Record(metadata: metadata, tensors: try tensors.map(make)) }
}
