/// A part of a tokenizer that training can leave as it is.
public enum TokenizerPart: String, CaseIterable, Sendable {
  /// All before the quantiser.
  case encoder
  /// The code vectors. Together with the encoder: the tokens of every image stay the same.
  case codebook
  /// All behind the quantiser.
  case decoder

  /// Whether a parameter belongs to the part.
  /// - Parameter parameter: its name in files.
  public func contains(_ parameter: String) -> Bool {
    let prefixes =
      switch self {
      case .encoder: ["encoder.", "quant_conv."]
      case .codebook: ["quantize."]
      case .decoder: ["decoder.", "post_quant_conv."]
      }
    return prefixes.contains { parameter.hasPrefix($0) }
  }
}
