/// Decodes JSON by the rules of docs/formats.md: UTF-8 without a byte-order mark, no trailing comma, integers written as such, and
/// each key of the outermost object once.
/// - Throws: an error for any other text, and what decoding throws.
public func decodeStrictJSON<Content: Decodable>(_ type: Content.Type, from bytes: [UInt8]) throws -> Content
{
  let value = try JSONText.parse(bytes)
  if case .object(let fields) = value, Set(fields.map(\.key)).count < fields.count {
    throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "a key twice"))
  }
  return try JSONTextDecoder(value: value).decode(type)
}

/// Decodes types from JSON that was read by ``JSONText``. Foundation's decoder takes `1e2` and `100.0` for the integer 100,
/// which docs/formats.md forbids and other readers refuse; this one takes an integer only where one is written.
struct JSONTextDecoder: Decoder {
  let value: JSONText.Value
  var codingPath: [any CodingKey] = []
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard case .object(let fields) = value else { throw mismatch([String: JSONText.Value].self) }
    let values = Dictionary(fields.map { ($0.key, $0.value) }) { first, _ in first }
    return KeyedDecodingContainer(ObjectContainer(values: values, codingPath: codingPath))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard case .array(let items) = value else { throw mismatch([JSONText.Value].self) }
    return ListContainer(items: items, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueDecodingContainer { ValueContainer(decoder: self) }

  /// A value of any type.
  func decode<Content: Decodable>(_ type: Content.Type = Content.self) throws -> Content {
    try Content(from: self)
  }

  fileprivate var isNull: Bool {
    if case .null = value { true } else { false }
  }

  fileprivate func bool() throws -> Bool {
    guard case .bool(let truth) = value else { throw mismatch(Bool.self) }
    return truth
  }

  fileprivate func string() throws -> String {
    guard case .string(let text) = value else { throw mismatch(String.self) }
    return text
  }

  fileprivate func integer<Number: FixedWidthInteger>(_ type: Number.Type) throws -> Number {
    guard case .number(let text) = value, text.utf8.allSatisfy({ $0 == 0x2D || (0x30...0x39).contains($0) })
    else { throw mismatch(type) }
    guard let number = Number(text) else { throw outOfRange(text) }
    return number
  }

  fileprivate func floatingPoint<Number: BinaryFloatingPoint & LosslessStringConvertible>(
    _ type: Number.Type
  ) throws -> Number {
    guard case .number(let text) = value else { throw mismatch(type) }
    guard let number = Number(text), number.isFinite else { throw outOfRange(text) }
    return number
  }

  private func mismatch(_ type: Any.Type) -> DecodingError {
    let context = DecodingError.Context(codingPath: codingPath, debugDescription: "")
    return isNull ? .valueNotFound(type, context) : .typeMismatch(type, context)
  }

  private func outOfRange(_ text: String) -> DecodingError {
    .dataCorrupted(DecodingError.Context(codingPath: codingPath, debugDescription: text))
  }
}

/// The place of an item in a list, or of a field in an object.
private struct Place: CodingKey {
  let stringValue: String
  let intValue: Int?

  init(_ index: Int) { (stringValue, intValue) = ("\(index)", index) }
  init(stringValue: String) { (self.stringValue, intValue) = (stringValue, nil) }
  init(intValue: Int) { self.init(intValue) }
}

private struct ValueContainer: SingleValueDecodingContainer {
  let decoder: JSONTextDecoder
  var codingPath: [any CodingKey] { decoder.codingPath }

  func decodeNil() -> Bool { decoder.isNull }
  func decode(_ type: Bool.Type) throws -> Bool { try decoder.bool() }
  func decode(_ type: String.Type) throws -> String { try decoder.string() }
  func decode(_ type: Double.Type) throws -> Double { try decoder.floatingPoint(type) }
  func decode(_ type: Float.Type) throws -> Float { try decoder.floatingPoint(type) }
  func decode(_ type: Int.Type) throws -> Int { try decoder.integer(type) }
  func decode(_ type: Int8.Type) throws -> Int8 { try decoder.integer(type) }
  func decode(_ type: Int16.Type) throws -> Int16 { try decoder.integer(type) }
  func decode(_ type: Int32.Type) throws -> Int32 { try decoder.integer(type) }
  func decode(_ type: Int64.Type) throws -> Int64 { try decoder.integer(type) }
  func decode(_ type: UInt.Type) throws -> UInt { try decoder.integer(type) }
  func decode(_ type: UInt8.Type) throws -> UInt8 { try decoder.integer(type) }
  func decode(_ type: UInt16.Type) throws -> UInt16 { try decoder.integer(type) }
  func decode(_ type: UInt32.Type) throws -> UInt32 { try decoder.integer(type) }
  func decode(_ type: UInt64.Type) throws -> UInt64 { try decoder.integer(type) }
  func decode<Content: Decodable>(_ type: Content.Type) throws -> Content { try decoder.decode() }
}

private struct ObjectContainer<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let values: [String: JSONText.Value]
  let codingPath: [any CodingKey]

  var allKeys: [Key] { values.keys.compactMap { Key(stringValue: $0) } }
  func contains(_ key: Key) -> Bool { values[key.stringValue] != nil }
  func decodeNil(forKey key: Key) throws -> Bool { try field(key).isNull }
  func decode<Content: Decodable>(_ type: Content.Type, forKey key: Key) throws -> Content {
    try field(key).decode()
  }

  func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws
    -> KeyedDecodingContainer<Nested>
  { try field(key).container(keyedBy: type) }

  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try field(key).unkeyedContainer()
  }

  func superDecoder() throws -> any Decoder {
    JSONTextDecoder(value: values["super"] ?? .null, codingPath: codingPath)
  }

  func superDecoder(forKey key: Key) throws -> any Decoder { try field(key) }

  private func field(_ key: Key) throws -> JSONTextDecoder {
    guard let value = values[key.stringValue] else {
      throw DecodingError.keyNotFound(
        key, DecodingError.Context(codingPath: codingPath, debugDescription: ""))
    }
    return JSONTextDecoder(value: value, codingPath: codingPath + [key])
  }
}

private struct ListContainer: UnkeyedDecodingContainer {
  let items: [JSONText.Value]
  let codingPath: [any CodingKey]
  private(set) var currentIndex = 0

  init(items: [JSONText.Value], codingPath: [any CodingKey]) {
    (self.items, self.codingPath) = (items, codingPath)
  }

  var count: Int? { items.count }
  var isAtEnd: Bool { currentIndex == items.count }

  mutating func decodeNil() throws -> Bool {
    guard try item().isNull else { return false }
    currentIndex += 1
    return true
  }

  mutating func decode<Content: Decodable>(_ type: Content.Type) throws -> Content {
    let content: Content = try item().decode()
    // Only after success: a caller may try another type at the same place.
    currentIndex += 1
    return content
  }

  mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws
    -> KeyedDecodingContainer<Nested>
  {
    let container = try item().container(keyedBy: type)
    currentIndex += 1
    return container
  }

  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
    let container = try item().unkeyedContainer()
    currentIndex += 1
    return container
  }

  mutating func superDecoder() throws -> any Decoder {
    let decoder = try item()
    currentIndex += 1
    return decoder
  }

  private func item() throws -> JSONTextDecoder {
    let path = codingPath + [Place(currentIndex)]
    guard items.indices.contains(currentIndex) else {
      throw DecodingError.valueNotFound(
        JSONText.Value.self, DecodingError.Context(codingPath: path, debugDescription: ""))
    }
    return JSONTextDecoder(value: items[currentIndex], codingPath: path)
  }
}
