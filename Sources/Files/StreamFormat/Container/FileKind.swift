import FoundationEssentials
import Glibc

/// What a file holds, from the metadata string `kind`.
public enum FileKind: String, Sendable, CaseIterable {
  case tokens
  case tokenizer
  case arModel = "ar-model"
  case fineModel = "fine-model"
  case varModel = "var-model"
  case mapping
  case network
  case features
  case checkpoint
}

// MARK: - Metadata

extension Record {
  /// The version of the metadata conventions, for every kind.
  public static let version = "1"

  /// A record of a kind, with `kind` and `version` set in its metadata.
  public init(kind: FileKind, metadata: [String: String] = [:], tensors: [StoredTensor] = []) {
    self.init(metadata: metadata, tensors: tensors)
    self.metadata["kind"] = kind.rawValue
    self.metadata["version"] = Self.version
  }

  /// The kind of the record.
  /// - Throws: ``FormatError`` (missingMetadata, wrongKind for an unknown one, unsupportedVersion).
  public func kind() throws -> FileKind {
    let text = try metadata("kind")
    guard let kind = FileKind(rawValue: text) else {
      let known = FileKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw FormatError(
        .wrongKind, at: origin, expected: "kind to be one of \(known)", found: text,
        hint: "read the file with a newer Tessera")
    }
    let version = try metadata("version")
    guard version == Self.version else {
      throw FormatError(
        .unsupportedVersion, at: origin, expected: "version \(Self.version)", found: version,
        hint: "read the file with a newer Tessera")
    }
    return kind
  }

  /// Checks that the record has one of some kinds, and returns its kind.
  /// - Throws: ``FormatError`` (wrongKind and as ``kind()``).
  @discardableResult
  public func require(kind wanted: FileKind...) throws -> FileKind {
    let kind = try kind()
    guard wanted.contains(kind) else {
      throw FormatError(
        .wrongKind, at: origin,
        expected: "a file of kind " + wanted.map(\.rawValue).joined(separator: " or "),
        found: kind.rawValue, hint: "check which file stands at which place or option of the command line")
    }
    return kind
  }

  /// A metadata string.
  /// - Throws: ``FormatError`` (missingMetadata).
  public func metadata(_ key: String) throws -> String {
    guard let text = metadata[key] else {
      throw FormatError(
        .missingMetadata, at: origin, expected: "metadata '\(key)'",
        found: metadata.isEmpty ? "no metadata" : metadata.keys.sorted().joined(separator: ", "),
        hint: "docs/formats.md lists what each kind of file needs")
    }
    return text
  }

  /// A metadata string that is a decimal integer in a range.
  /// - Throws: ``FormatError`` (missingMetadata, badMetadata, valueOutOfRange).
  public func integerMetadata(_ key: String, in range: ClosedRange<Int> = 0...Int.max) throws -> Int {
    let text = try metadata(key)
    guard let value = Int(text) else { throw badMetadata(key, expected: "an integer") }
    guard range.contains(value) else {
      throw FormatError(
        .valueOutOfRange, at: origin,
        expected: "metadata '\(key)' from \(range.lowerBound) to \(range.upperBound)",
        found: text, hint: "make the file again with a size in this range")
    }
    return value
  }

  /// A metadata string that is JSON of a type.
  /// - Throws: ``FormatError`` (missingMetadata, badMetadata).
  public func jsonMetadata<Value: Decodable>(_ key: String, as type: Value.Type = Value.self) throws -> Value
  {
    let text = Array(try metadata(key).utf8)
    do {
      return try JSONTextDecoder(value: JSONText.parse(text)).decode()
    } catch let problem as JSONText.Problem {
      throw badMetadata(key, expected: "JSON, without \(problem.found)")
    } catch let error as DecodingError {
      throw badMetadata(key, expected: "JSON \(describe(error))")
    }
  }

  /// Sets a metadata string to the JSON of a value, with sorted keys.
  public mutating func setJSONMetadata(_ key: String, _ value: some Encodable) throws {
    metadata[key] = try sortedJSON(value)
  }

  func badMetadata(_ key: String, expected: String) -> FormatError {
    let text = metadata[key] ?? ""
    return FormatError(
      .badMetadata, at: origin, expected: "metadata '\(key)' to be \(expected)",
      found: "'\(text.prefix(80))'", hint: "docs/formats.md says how it is written")
  }
}

/// How a JSON text is not as a type needs it, in words: "with the key 'dim'".
private func describe(_ error: DecodingError) -> String {
  func place(_ context: DecodingError.Context, _ last: (any CodingKey)? = nil) -> String {
    let path = context.codingPath + (last.map { [$0] } ?? [])
    return "'" + path.map { $0.intValue.map { "\($0)" } ?? $0.stringValue }.joined(separator: ".").prefix(80)
      + "'"
  }
  switch error {
  case .keyNotFound(let key, let context): return "with the key \(place(context, key))"
  case .valueNotFound(_, let context): return "with a value other than null at \(place(context))"
  case .typeMismatch(let type, let context):
    return context.codingPath.isEmpty
      ? "of another type, \(words(for: type))" : "with \(words(for: type)) at \(place(context))"
  case .dataCorrupted(let context): return "with a number that fits at \(place(context))"
  @unknown default: return "of another structure"
  }
}

/// What a JSON value of a type is called.
private func words(for type: Any.Type) -> String {
  if type == String.self { return "a string" }
  if type == Bool.self { return "true or false" }
  if type is any FixedWidthInteger.Type { return "an integer, written with digits only," }
  if type is any Numeric.Type { return "a number" }
  return "\(type)".hasPrefix("Array") ? "a list" : "an object"
}

/// JSON text whose keys are sorted, so that equal values give equal bytes.
public func sortedJSON(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}
