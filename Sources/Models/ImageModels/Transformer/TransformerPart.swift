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

  /// Whether a parameter belongs to the part.
  /// - Parameter parameter: its name in files.
  public func contains(_ parameter: String) -> Bool {
    switch self {
    case .tokens: return parameter.hasPrefix("tok_embeddings.")
    case .classes: return parameter.hasPrefix("cls_embedding.")
    case .output: return parameter == "norm.weight" || parameter.hasPrefix("output.")
    case .blocks(let range):
      let words = parameter.split(separator: ".", maxSplits: 2)
      guard words.count == 3, words[0] == "layers", let block = Int(words[1]) else { return false }
      return range.contains(block + 1)
    }
  }
}

extension Transformer {
  /// Takes the parameters of a model over that differs in nothing but its classes and its grid.
  /// - Parameter classes: for each class the other model's class that it starts from, or nil for "no class".
  public func start(from other: Transformer, classes: [Int?]) {
    precondition(
      classes.count == configuration.classCount && store.parameters.count == other.store.parameters.count,
      "Transformer.start: \(classes.count) classes for \(configuration.classCount)")
    for (own, source) in zip(store.parameters, other.store.parameters) where own.variable !== classTable {
      own.variable.value.copyElements(from: source.variable.value)
    }
    let width = configuration.width
    for (row, source) in (classes + [nil]).enumerated() {
      let place = source ?? other.configuration.noClass
      (classTable.value.pointer + row * width).update(
        from: other.classTable.value.pointer + place * width, count: width)
    }
  }
}
