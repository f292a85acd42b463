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
private struct HeaderFile {
  struct Entry {
    // The format's own names.
    var dtype: String
    var shape: [Int]
    var data_offsets: [Int]
  }

  var metadata: [String: String] = [:]
  var entries: [(name: String, stored: Entry)] = []

  init(json: [UInt8], origin: Origin) throws {
    // Other readers look at this byte to tell a header from other files.
    guard json.first == UInt8(ascii: "{") else {
      throw notAHeader("a text that does not begin with '{'", origin)
    }
    for (name, value) in try Self.fields(json, origin) {
      if name == "__metadata__" {
        metadata = try Self.strings(value, origin)
      } else {
        entries.append((name, try Self.entry(value, of: name, origin)))
      }
    }
  }

  private static func fields(_ json: [UInt8], _ origin: Origin) throws -> [(
    key: String, value: JSONText.Value
  )] {
    do {
      guard case .object(let fields) = try JSONText.parse(json) else {
        preconditionFailure("a text that begins with '{' is an object")
      }
      return fields
    } catch {
      guard case .duplicateKey(let name) = error else { throw notAHeader(error.found, origin) }
      throw FormatError(
        .duplicateName, at: origin, expected: "each name once in the header",
        found: "'\(name.prefix(80))' twice",
        hint: "write the file again with different names")
    }
  }

  private static func strings(_ value: JSONText.Value, _ origin: Origin) throws -> [String: String] {
    guard case .object(let fields) = value else {
      throw notAHeader("\(value.kind) as '__metadata__', where an object should be", origin)
    }
    return Dictionary(
      uniqueKeysWithValues: try fields.map { key, value in
        guard case .string(let text) = value else {
          throw notAHeader("\(value.kind) as metadata '\(key.prefix(80))', where a string should be", origin)
        }
        return (key, text)
      })
  }

  private static func entry(_ value: JSONText.Value, of name: String, _ origin: Origin) throws -> Entry {
    guard case .object(let fields) = value else {
      throw notAHeader("\(value.kind) as tensor '\(name.prefix(80))', where an object should be", origin)
    }
    func field(_ key: String) throws -> JSONText.Value {
      guard let field = fields.first(where: { $0.key == key }) else {
        throw notAHeader("a tensor '\(name.prefix(80))' without '\(key)'", origin)
      }
      return field.value
    }
    func sizes(_ key: String) throws -> [Int] {
      let value = try field(key)
      guard case .array(let items) = value else {
        throw notAHeader(
          "\(value.kind) as '\(key)' of tensor '\(name.prefix(80))', where a list should be", origin)
      }
      return try items.map { item in
        // Written as a plain integer: 1e2 and 1.0 are numbers that other readers refuse as sizes.
        guard case .number(let text) = item, let size = Int(text) else {
          throw notAHeader(
            "a size in '\(key)' of tensor '\(name.prefix(80))' that is no integer of 64 bits", origin)
        }
        return size
      }
    }
    guard case .string(let dtype) = try field("dtype") else {
      throw notAHeader("a tensor '\(name.prefix(80))' whose 'dtype' is no string", origin)
    }
    return Entry(dtype: dtype, shape: try sizes("shape"), data_offsets: try sizes("data_offsets"))
  }
}

private func notAHeader(_ found: String, _ origin: Origin) -> FormatError {
  FormatError(
    .headerNotJSON, at: origin, expected: "a JSON object of tensors, each with dtype, shape and data_offsets",
    found: found, hint: "copy or make the file again; it may not be a safetensors file")
}
