/// One safetensors blob: strings and named tensors.
public struct Record: Sendable {
  /// The strings of `__metadata__`.
  public var metadata: [String: String]
  /// The tensors; a writer orders them by falling element size and then by name.
  public var tensors: [StoredTensor]
  /// Where the record was read; ``Origin/memory`` if it was made here.
  public var origin = Origin.memory

  public init(metadata: [String: String] = [:], tensors: [StoredTensor] = []) {
    self.metadata = metadata
    self.tensors = tensors
  }

  /// The tensor of a name, or nil.
  public subscript(name: String) -> StoredTensor? {
    tensors.first { $0.name == name }
  }

  /// What the record adds to the item count in its stream's end mark: for kind `tokens` the first size of
  /// `tokens` (or of `labels`), for kind `features` the first size of `features`, and 1 for any other.
  public var itemCount: Int {
    countItems(kind: metadata["kind"]) { self[$0]?.shape }
  }

  /// The tensor of a name, of a shape in which nil stands for any size.
  /// - Throws: ``FormatError`` (missingTensor, wrongShape).
  public func tensor(_ name: String, shape: [Int?]? = nil) throws -> StoredTensor {
    guard let tensor = self[name] else { throw missingTensor(name, among: tensors.map(\.name), at: origin) }
    if let shape { try requireShape(tensor.shape, shape, name: name, at: origin) }
    return tensor
  }
}

func missingTensor(_ name: String, among names: [String], at origin: Origin) -> FormatError {
  let shown = names.sorted().prefix(8).joined(separator: ", ")
  return FormatError(
    .missingTensor, at: origin, expected: "a tensor '\(name)'",
    found: names.isEmpty ? "no tensor" : names.count > 8 ? "\(shown) and \(names.count - 8) more" : shown,
    hint: "show-file tells what the file holds; a file of another kind may have been given")
}

func requireShape(_ found: [Int], _ expected: [Int?], name: String, at origin: Origin) throws {
  let fits = expected.count == found.count && zip(expected, found).allSatisfy { $0 == nil || $0 == $1 }
  guard fits else {
    let wanted = expected.map { $0.map { "\($0)" } ?? "any" }.joined(separator: ", ")
    throw FormatError(
      .wrongShape, at: origin, expected: "tensor '\(name)' of shape [\(wanted)]", found: "\(found)",
      hint: "give a file made with the same settings")
  }
}
