/// Changes of a text in JSON or a language like it, such as Python's literals in NumPy headers: token by token, so that
/// most results still parse.
enum TextMutation {
  /// Makes one or two changes.
  static func mutate(_ text: [UInt8], with random: inout MutationRandom) -> [UInt8] {
    var tokens = split(text)
    for _ in 0...random.below(2) where !tokens.isEmpty { change(&tokens, &random) }
    return Array(tokens.joined())
  }

  /// Numbers, quoted strings, words, and everything else byte by byte.
  static func split(_ text: [UInt8]) -> [[UInt8]] {
    var tokens: [[UInt8]] = []
    var place = 0
    while place < text.count {
      var end = place + 1
      if isQuote(text[place]) {
        while end < text.count, text[end] != text[place] { end += text[end] == UInt8(ascii: "\\") ? 2 : 1 }
        end = min(text.count, end + 1)
      } else if isWord(text[place]) {
        while end < text.count, isWord(text[end]) { end += 1 }
      }
      tokens.append(Array(text[place..<end]))
      place = end
    }
    return tokens
  }

  private static func change(_ tokens: inout [[UInt8]], _ random: inout MutationRandom) {
    let numbers = tokens.indices.filter { isNumber(tokens[$0]) }
    let strings = tokens.indices.filter { isQuote(tokens[$0][0]) }
    let place = random.below(tokens.count)
    switch random.below(10) {
    case 0...2 where !numbers.isEmpty: tokens[random.pick(numbers)] = Array(number(&random).utf8)
    case 3 where !strings.isEmpty:
      tokens[random.pick(strings)] = quoted(random.pick(odd), like: tokens[strings[0]])
    case 4 where strings.count > 1: tokens[random.pick(strings)] = tokens[random.pick(strings)]
    case 5: tokens.remove(at: place)
    case 6: tokens.insert(tokens[place], at: random.below(tokens.count))
    case 7: tokens.swapAt(place, random.below(tokens.count))
    case 8:
      let depth = random.pick([1, 3, 60, 70, 600])
      let (open, close) = random.pick([("[", "]"), ("{\"a\":", "}"), ("(", ")")])
      let nest = { (text: String) in Array(repeatElement(text, count: depth).joined().utf8) }
      tokens[place] = nest(open) + tokens[place] + nest(close)
    default: tokens[place] = Array(random.pick(literals).utf8)
    }
  }

  private static func number(_ random: inout MutationRandom) -> String {
    random.once(in: 4) ? random.pick(oddNumbers) : String(random.pick(interestingNumbers))
  }

  private static let oddNumbers = [
    "1e400", "-0", "0.5", "1e2", "1.0", "01", "9223372036854775808", "18446744073709551616", "-1e-400",
    "4.9e-324", "1E+3",
    "340282350000000000000000000000000000000", "123456789012345678901234567890123456789012345678901234567890",
  ]
  private static let literals = [
    "null", "true", "false", "NaN", "Infinity", "[]", "{}", "\"\"", "None", "True", "()", ",", ":",
  ]
  // Precomposed and decomposed letters are equal to Swift and different to JSON.
  private static let odd = [
    "", "\u{E9}", "e\u{301}", "\u{FEFF}", "\\u0000", "\\ud800", "../../x", "/", ".", "-", "%s%n", "\u{1B}[2J",
    "\u{202E}",
    String(repeating: "long ", count: 400), "__metadata__", "F32", "F16", "U64", "BOOL", "tokens", "ar-model",
    "<f4", ">f8", "|O",
  ]

  private static func quoted(_ text: String, like quote: [UInt8]) -> [UInt8] {
    [quote[0]] + text.utf8 + [quote[0]]
  }
  private static func isQuote(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'")
  }
  private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
  private static func isNumber(_ token: [UInt8]) -> Bool {
    isDigit(token[0]) || token.count > 1 && token[0] == UInt8(ascii: "-") && isDigit(token[1])
  }
  private static func isWord(_ byte: UInt8) -> Bool {
    isDigit(byte) || (65...90).contains(byte) || (97...122).contains(byte) || [43, 45, 46, 95].contains(byte)
  }
}
