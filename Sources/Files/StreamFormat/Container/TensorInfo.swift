/// What a record's header says of one tensor.
public struct TensorInfo: Sendable, Equatable {
  /// The name within the record.
  public let name: String
  public let elementType: ElementType
  /// The sizes, slowest dimension first.
  public let shape: [Int]
  /// Size in bytes.
  public let byteCount: Int
}

extension TensorInfo {
  /// A tensor that is still to be made.
  /// - Precondition: its size in bytes fits.
  public init(name: String, elementType: ElementType, shape: [Int]) {
    guard let count = StreamFormat.byteCount(of: shape, elementType) else {
      preconditionFailure("tensor \(name): shape \(shape)")
    }
    self.init(name: name, elementType: elementType, shape: shape, byteCount: count)
  }
}

/// A record without its tensors' data.
public struct RecordSummary: Sendable {
  /// The strings of the header's `__metadata__`.
  public let metadata: [String: String]
  /// The tensors in the order of their data.
  public let tensors: [TensorInfo]
  /// Where the record stands.
  public let origin: Origin

  /// What the record adds to the item count of its stream; see ``Record/itemCount``.
  public var itemCount: Int {
    countItems(kind: metadata["kind"]) { name in tensors.first { $0.name == name }?.shape }
  }

  /// How many items were listed for the record: those in it, and images that were skipped.
  var listedCount: Int {
    countListed(kind: metadata["kind"]) { name in tensors.first { $0.name == name }?.shape }
  }

  /// The metadata as a record's, for what reads only them.
  public var withoutTensors: Record {
    var record = Record(metadata: metadata)
    record.origin = origin
    return record
  }

  /// Checks that there is a tensor of a name and shape.
  /// - Throws: ``FormatError`` (missingTensor, wrongShape), as ``Record/tensor(_:shape:)``.
  public func require(_ name: String, shape: [Int]) throws {
    guard let tensor = tensors.first(where: { $0.name == name }) else {
      throw missingTensor(name, among: tensors.map(\.name), at: origin)
    }
    try requireShape(tensor.shape, shape, name: name, at: origin)
  }
}

/// Tokens and features count their rows; any other record is one item.
func countItems(kind: String?, shape: (String) -> [Int]?) -> Int {
  switch kind {
  case FileKind.tokens.rawValue: (shape("tokens") ?? shape("labels"))?.first ?? 1
  case FileKind.features.rawValue: shape("features")?.first ?? 1
  default: 1
  }
}

/// How many items were listed for a record of a kind: its items, and of tokens those that were skipped. A record of logits
/// alone counts their rows.
func countListed(kind: String?, shape: (String) -> [Int]?) -> Int {
  let items = countItems(kind: kind, shape: shape)
  switch kind {
  case FileKind.tokens.rawValue:
    return items.addingReportingOverflow(shape("skipped")?.first ?? 0).partialValue
  case FileKind.features.rawValue: return shape("features") == nil ? shape("logits")?.first ?? items : items
  default: return items
  }
}
