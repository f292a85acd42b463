import Foundation

/// A checked header: the tensors tile the data area exactly, in the order given here.
struct SafetensorsHeader {
  var metadata: [String: String]
  var tensors: [TensorInfo]

  /// Parses and checks a header.
  /// - Throws: ``FormatError`` for each way in which a header can be wrong.
  init(json: [UInt8], origin: Origin, limits: Limits) throws {
    let file = try HeaderFile(json: json, origin: origin)
    metadata = file.metadata
    let entries = try file.entries.map { try CheckedEntry($0, origin: origin, limits: limits) }
    tensors = try tile(
      entries.sorted { ($0.begin, $0.end, $0.info.name) < ($1.begin, $1.end, $1.info.name) }, origin)
  }
}

/// Checks that every byte of the data area belongs to exactly one tensor.
private func tile(_ entries: [CheckedEntry], _ origin: Origin) throws -> [TensorInfo] {
  var cursor = 0
  for entry in entries {
    if entry.begin != cursor {
      throw FormatError(
        entry.begin < cursor ? .overlap : .gap, at: origin,
        expected: "tensor '\(entry.info.name)' to begin at data byte \(cursor)", found: "\(entry.begin)",
        hint: "write the file again with a safetensors library; its offsets are wrong")
    }
    cursor = entry.end
  }
  return entries.map { $0.info }
}

/// A tensor's entry whose size, type and limits have been checked.
private struct CheckedEntry {
  let info: TensorInfo
  let begin: Int
  let end: Int

  init(_ entry: (name: String, stored: HeaderFile.Entry), origin: Origin, limits: Limits) throws {
    let (name, stored) = entry
    guard let elementType = ElementType(rawValue: stored.dtype) else {
      let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
      throw FormatError(
        .unknownElementType, at: origin, expected: "tensor '\(name)' of one of \(known)",
        found: stored.dtype, hint: "convert the tensor to F32 or an integer type")
    }
    guard stored.data_offsets.count == 2, stored.data_offsets[0] >= 0,
      stored.data_offsets[1] >= stored.data_offsets[0]
    else {
      throw badShape(name, "two ascending offsets", "\(stored.data_offsets)", origin)
    }
    (begin, end) = (stored.data_offsets[0], stored.data_offsets[1])
    guard let count = byteCount(of: stored.shape, elementType) else {
      throw badShape(name, "sizes of at least 0 with a product that fits", "\(stored.shape)", origin)
    }
    guard end - begin == count else {
      let sizes = "\(count) bytes for shape \(stored.shape) of \(stored.dtype)"
      throw badShape(name, sizes, "\(end - begin)", origin)
    }
    guard count <= limits.tensorBytes else {
      throw FormatError(
        .tensorTooLarge, at: origin, expected: "tensor '\(name)' of at most \(limits.tensorBytes) bytes",
        found: "\(count)", hint: "the header is probably damaged; make the file again")
    }
    info = TensorInfo(name: name, elementType: elementType, shape: stored.shape, byteCount: count)
  }
}

private func badShape(_ name: String, _ expected: String, _ found: String, _ origin: Origin) -> FormatError {
  FormatError(
    .badShape, at: origin, expected: "tensor '\(name)' with \(expected)", found: found,
    hint: "write the file again with a safetensors library; its header is wrong")
}

/// The header's JSON, decoded and not yet judged.
private struct HeaderFile: Decodable {
  struct Entry: Decodable {
    // The format's own names.
    let dtype: String
    let shape: [Int]
    let data_offsets: [Int]
  }

  struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  var metadata: [String: String] = [:]
  var entries: [(name: String, stored: Entry)] = []

  init(json: [UInt8], origin: Origin) throws {
    do {
      self = try JSONDecoder().decode(HeaderFile.self, from: Data(json))
    } catch let error as DecodingError {
      throw FormatError(
        .headerNotJSON, at: origin,
        expected: "a JSON object of tensors, each with dtype, shape and data_offsets",
        found: describe(error), hint: "copy or make the file again; it may not be a safetensors file")
    }
    if let name = firstDuplicateKey(in: json) {
      throw FormatError(
        .duplicateName, at: origin, expected: "each name once in the header", found: "'\(name)' twice",
        hint: "write the file again with different names")
    }
  }

  init(from decoder: Decoder) throws {
    let container = try decoder.container(keyedBy: Name.self)
    for key in container.allKeys {
      if key.stringValue == "__metadata__" {
        metadata = try container.decode([String: String].self, forKey: key)
      } else {
        entries.append((key.stringValue, try container.decode(Entry.self, forKey: key)))
      }
    }
  }
}

/// Where in a JSON text, and how, it is not as a type needs it.
func describe(_ error: DecodingError) -> String {
  switch error {
  case .dataCorrupted(let context), .typeMismatch(_, let context), .valueNotFound(_, let context),
    .keyNotFound(_, let context):
    let path = context.codingPath.map(\.stringValue).joined(separator: ".")
    return (path.isEmpty ? "" : "\(path): ") + context.debugDescription
  @unknown default: return "\(error)"
  }
}
