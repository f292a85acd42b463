/// What a message to a user must not be.
enum ErrorText {
  /// A message is for reading: about six lines of a terminal at most.
  static let longest = 560
  /// Words of the language and not of the user.
  private static let internals = [
    "CodingKeys", "Swift.", "Fatal error", "Optional(", "DecodingError", "NSCocoa", "Foundation",
    "EncodingError", "0x0000",
  ]

  /// What is wrong with a message, or nil.
  static func fault(in message: String) -> String? {
    if message.isEmpty { return "no message" }
    if message.count > longest { return "a message of \(message.count) characters: \(message.prefix(700))" }
    if let word = internals.first(where: { message.contains($0) }) {
      return "'\(word)' in the message: \(message.prefix(500))"
    }
    let control = message.unicodeScalars.first { $0.properties.generalCategory == .control && $0 != "\n" }
    return control.map { "control character \($0.value) in the message: \(message.prefix(500))" }
  }
}
