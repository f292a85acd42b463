/// A part of a transformer that training can leave as it is.
public enum TransformerPart: Equatable, Sendable {
  /// The embeddings of tokens.
  case tokens
  /// The embeddings of classes, with that of "no class".
  case classes
  /// Some of the blocks, counted from 1.
  case blocks(ClosedRange<Int>)
  /// The last norm and the projection to logits.
  case output

  /// A part by its name: `tokens`, `classes`, `output`, `blocks`, `blocks:3` or `blocks:1-6`.
  public init?(_ name: String) {
    switch name {
    case "tokens": self = .tokens
    case "classes": self = .classes
    case "output": self = .output
    case "blocks": self = .blocks(1...Int.max)
    default:
      guard name.hasPrefix("blocks:") else { return nil }
      let ends = name.dropFirst(7).split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
        1 <= first, first <= last
      else { return nil }
      self = .blocks(first...last)
    }
  }

  /// Whether a block, counted from 0, belongs to the part.
  public func contains(block: Int) -> Bool {
    if case .blocks(let range) = self { range.contains(block + 1) } else { false }
  }

  /// Whether a parameter belongs to the part.
  /// - Parameter parameter: its name in files, LlamaGen's or VAR's.
  public func contains(_ parameter: String) -> Bool {
    let words = parameter.split(separator: ".", maxSplits: 2)
    switch self {
    case .tokens: return words[0] == "tok_embeddings" || words[0] == "word_embed"
    case .classes: return words[0] == "cls_embedding" || words[0] == "class_emb"
    case .output: return ["norm", "output", "head_nm", "head"].contains(words[0])
    case .blocks(let range):
      guard words.count == 3, words[0] == "layers" || words[0] == "blocks", let block = Int(words[1]) else {
        return false
      }
      return range.contains(block + 1)
    }
  }
}
