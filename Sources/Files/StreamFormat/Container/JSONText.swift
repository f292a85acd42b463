/// A JSON text read as strictly as RFC 8259 and docs/formats.md say: UTF-8, no byte-order mark, no trailing comma, each
/// key of an object once. Foundation's parser guesses other encodings and takes more than that, so that a file could be
/// read here and refused by every other reader.
enum JSONText {
  /// A value. Numbers are kept as they are written.
  indirect enum Value {
    case object([(key: String, value: Value)])
    case array([Value])
    case string(String)
    case number(String)
    case bool(Bool)
    case null

    /// The value's type in words.
    var kind: String {
      switch self {
      case .object: "an object"
      case .array: "a list"
      case .string: "a string"
      case .number: "a number"
      case .bool: "true or false"
      case .null: "null"
      }
    }
  }

  /// Why a text is refused.
  enum Problem: Error, Equatable {
    /// `found` at `offset` where `expected` should be.
    case unexpected(offset: Int, expected: String, found: String)
    /// A key stands twice in one object.
    case duplicateKey(String)

    /// What was found, in words.
    var found: String {
      switch self {
      case .unexpected(let offset, let expected, let found):
        "\(found) at byte \(offset) of the JSON, where \(expected) should be"
      case .duplicateKey(let key): "the key '\(key.prefix(80))' twice"
      }
    }
  }

  /// Lists and objects may stand in each other this deep.
  static let maximumDepth = 64

  /// The value of a whole text.
  static func parse(_ bytes: [UInt8]) throws(Problem) -> Value {
    var parser = Parser(bytes: bytes)
    return try parser.whole()
  }
}

private struct Parser {
  let bytes: [UInt8]
  var place = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func whole() throws(JSONText.Problem) -> JSONText.Value {
    let value = try value(depth: 0)
    skipSpace()
    if place < bytes.count { throw unexpected("the end") }
    return value
  }

  private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { place += 1 }
  }

  private func unexpected(_ expected: String) -> JSONText.Problem {
    let found: String
    switch next {
    case nil: found = "the end"
    case let byte? where (0x21...0x7E).contains(byte): found = "'\(Character(UnicodeScalar(byte)))'"
    case let byte?: found = "the byte 0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return .unexpected(offset: place, expected: expected, found: found)
  }

  private mutating func take(_ character: Character, _ expected: String) throws(JSONText.Problem) {
    guard next == character.asciiValue else { throw unexpected(expected) }
    place += 1
  }

  private mutating func value(depth: Int) throws(JSONText.Problem) -> JSONText.Value {
    if depth > JSONText.maximumDepth {
      throw .unexpected(
        offset: place, expected: "at most \(JSONText.maximumDepth) levels", found: "one level more")
    }
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return .number(try number())
    }
  }

  private mutating func word(_ text: String, _ value: JSONText.Value) throws(JSONText.Problem)
    -> JSONText.Value
  {
    guard bytes[place...].starts(with: text.utf8) else { throw unexpected("a value") }
    place += text.utf8.count
    return value
  }

  private mutating func object(depth: Int) throws(JSONText.Problem) -> JSONText.Value {
    place += 1
    var fields: [(key: String, value: JSONText.Value)] = []
    var keys: Set<String> = []
    skipSpace()
    if next == UInt8(ascii: "}") {
      place += 1
      return .object([])
    }
    while true {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw unexpected("a key in quotation marks") }
      let key = try string()
      skipSpace()
      try take(":", "a colon")
      fields.append((key, try value(depth: depth + 1)))
      // Readers that differ in which of the two they keep can be made to see different tensors.
      if !keys.insert(key).inserted { throw .duplicateKey(key) }
      if try endOfList("}") { return .object(fields) }
    }
  }

  private mutating func array(depth: Int) throws(JSONText.Problem) -> JSONText.Value {
    place += 1
    var values: [JSONText.Value] = []
    skipSpace()
    if next == UInt8(ascii: "]") {
      place += 1
      return .array([])
    }
    while true {
      values.append(try value(depth: depth + 1))
      if try endOfList("]") { return .array(values) }
    }
  }

  /// Passes a comma, or the end of a list or an object.
  private mutating func endOfList(_ end: Character) throws(JSONText.Problem) -> Bool {
    skipSpace()
    if next == end.asciiValue {
      place += 1
      return true
    }
    try take(",", "a comma or '\(end)'")
    return false
  }

  private mutating func number() throws(JSONText.Problem) -> String {
    let start = place
    if next == UInt8(ascii: "-") { place += 1 }
    if next == UInt8(ascii: "0") { place += 1 } else { try digits("a value") }
    if next == UInt8(ascii: ".") {
      place += 1
      try digits("a digit")
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      place += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { place += 1 }
      try digits("a digit")
    }
    return String(decoding: bytes[start..<place], as: UTF8.self)
  }

  private mutating func digits(_ expected: String) throws(JSONText.Problem) {
    let start = place
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { place += 1 }
    if place == start { throw unexpected(expected) }
  }

  // MARK: Strings

  private mutating func string() throws(JSONText.Problem) -> String {
    place += 1
    let start = place
    var content: [UInt8] = []
    while true {
      switch next {
      case nil: throw unexpected("a quotation mark")
      case UInt8(ascii: "\""):
        place += 1
        guard let text = String(validating: content, as: UTF8.self) else {
          throw .unexpected(offset: start, expected: "UTF-8", found: "a string of other bytes")
        }
        return text
      case UInt8(ascii: "\\"):
        place += 1
        content += try escape().utf8
      case let byte?:
        if byte < 0x20 { throw unexpected("an escaped control character") }
        content.append(byte)
        place += 1
      }
    }
  }

  private static let shortEscapes: [UInt8: String] = [
    UInt8(ascii: "\""): "\"", UInt8(ascii: "\\"): "\\", UInt8(ascii: "/"): "/", UInt8(ascii: "b"): "\u{8}",
    UInt8(ascii: "f"): "\u{C}", UInt8(ascii: "n"): "\n", UInt8(ascii: "r"): "\r", UInt8(ascii: "t"): "\t",
  ]

  private mutating func escape() throws(JSONText.Problem) -> String {
    guard let letter = next else { throw unexpected("an escape") }
    if let text = Self.shortEscapes[letter] {
      place += 1
      return text
    }
    guard letter == UInt8(ascii: "u") else { throw unexpected("an escape") }
    let first = try codeUnit()
    if let scalar = UnicodeScalar(first) { return String(Character(scalar)) }
    guard first < 0xDC00, next == UInt8(ascii: "\\") else {
      throw unexpected("the second half of a character")
    }
    place += 1
    let second = try codeUnit()
    guard (0xDC00...0xDFFF).contains(second),
      let scalar = UnicodeScalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else {
      throw unexpected("the second half of a character")
    }
    return String(Character(scalar))
  }

  /// The four digits after a `u`.
  private mutating func codeUnit() throws(JSONText.Problem) -> UInt32 {
    try take("u", "the second half of a character")
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(UnicodeScalar(byte)).hexDigitValue, byte < 0x80 else {
        throw unexpected("a hexadecimal digit")
      }
      value = value << 4 | UInt32(digit)
      place += 1
    }
    return value
  }
}
