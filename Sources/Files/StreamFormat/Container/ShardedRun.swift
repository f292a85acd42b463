/// What the shards of one whole have in common: the strings of their records, and the runs that made them, as their
/// provenance tells of it. Shards that other settings, seeds or inputs made are no whole.
struct ShardedRun {
  private let strings: [String: String]
  /// The runs up to the one with `--shard`, each as what is compared of it, and those that came after it, which may have been
  /// done to each shard alone; nil without provenance.
  private var runs: (whole: [JSONText.Value], each: [JSONText.Value])?

  /// - Parameter metadata: of a record of a shard.
  init(_ metadata: [String: String]) {
    strings = metadata.filter { ![Shard.key, Self.provenance].contains($0.key) }
    runs = metadata[Self.provenance].flatMap(Self.runs)
  }

  /// This shard, with the runs of the one before where it has no provenance of its own.
  func following(_ previous: ShardedRun?) -> ShardedRun {
    var copy = self
    copy.runs = runs ?? previous?.runs
    return copy
  }

  /// The first thing in which another shard's run is not as this one: its name, and what it is in each of them.
  func difference(to other: ShardedRun) -> JSONText.Difference? {
    for key in Set(strings.keys).union(other.strings.keys).sorted() {
      let (here, there) = (strings[key], other.strings[key])
      // Equal texts are equal byte for byte.
      if here.map({ Array($0.utf8) }) == there.map({ Array($0.utf8) }) { continue }
      let parsed = (Self.parsed(here), Self.parsed(there))
      return JSONText.difference(parsed.0, parsed.1, at: key) ?? (key, here ?? "none", there ?? "none")
    }
    guard let runs, let others = other.runs else { return nil }
    return JSONText.difference(.array(runs.whole), .array(others.whole), at: "run")
      ?? JSONText.difference(.array(runs.each), .array(others.each), at: "later run")
  }

  private static let provenance = "provenance"

  /// A text that is no JSON is a string.
  private static func parsed(_ text: String?) -> JSONText.Value {
    guard let text else { return .null }
    return (try? JSONText.parse(Array(text.utf8))) ?? .string(text)
  }

  private static func runs(of chain: String) -> (whole: [JSONText.Value], each: [JSONText.Value])? {
    guard case .array(let entries) = parsed(chain) else { return nil }
    let runs = entries.map(Run.init)
    guard let last = runs.lastIndex(where: \.hasShard) else { return nil }
    return (
      runs[...last].map { $0.compared(asWhole: true) },
      runs[(last + 1)...].map { $0.compared(asWhole: false) }
    )
  }
}

/// An entry of provenance.
private struct Run {
  private let fields: [(key: String, value: JSONText.Value)]

  init(_ entry: JSONText.Value) {
    if case .object(let fields) = entry { self.fields = fields } else { fields = [] }
  }

  private subscript(key: String) -> JSONText.Value? { fields.first { $0.key == key }?.value }

  var hasShard: Bool {
    guard case .array(let arguments)? = self["arguments"] else { return false }
    return arguments.contains {
      if case .string(let text) = $0 { text == "--shard" || text.hasPrefix("--shard=") } else { false }
    }
  }

  /// What must be equal. Settings have the seed in them where it matters; without settings nobody knows whether it does.
  /// - Parameter asWhole: of a run that has read the same in all shards, and not a shard by itself.
  func compared(asWhole: Bool) -> JSONText.Value {
    let settings = self["settings"]
    var compared = [("tool", self["tool"] ?? .null), ("settings", settings ?? .null)]
    if asWhole {
      if settings == nil { compared.append(("seed", self["seed"] ?? .null)) }
      compared.append(("inputs", hashes))
    }
    return .object(compared)
  }

  /// The same file may lie under another name on another machine.
  private var hashes: JSONText.Value {
    guard case .array(let inputs)? = self["inputs"] else { return .null }
    return .array(inputs.map { Run($0)["sha256"] ?? .null })
  }
}

extension JSONText {
  /// A place in a value, such as `draw.temperature`, and what is there in each of two.
  typealias Difference = (name: String, here: String, there: String)

  /// The first place at which two values differ. Hashes are of what was read from a file; of what came through a pipe there is
  /// none, and it may be the same.
  static func difference(_ here: Value, _ there: Value, at place: String) -> Difference? {
    switch (here, there) {
    case (.object(let these), .object(let those)):
      let (these, those) = (fields(these), fields(those))
      return Set(these.keys).union(those.keys).sorted().lazy.compactMap { key in
        difference(these[key] ?? .null, those[key] ?? .null, at: "\(place).\(key)")
      }.first
    case (.array(let these), .array(let those)) where these.count == those.count:
      return zip(these, those).enumerated().lazy.compactMap { index, pair in
        difference(pair.0, pair.1, at: "\(place) \(index + 1)")
      }.first
    case (.null, .string), (.string, .null):
      return place.contains(".inputs ") ? nil : (place, here.words, there.words)
    default:
      let isSame = here.kind == there.kind && Array(here.words.utf8) == Array(there.words.utf8)
      return isSame ? nil : (place, here.words, there.words)
    }
  }

  private static func fields(_ fields: [(key: String, value: Value)]) -> [String: Value] {
    Dictionary(fields.map { ($0.key, $0.value) }) { first, _ in first }
  }
}

extension JSONText.Value {
  /// The value as a message shows it.
  fileprivate var words: String {
    switch self {
    case .object(let fields): "{\(fields.map { "\($0.key): \($0.value.words)" }.joined(separator: ", "))}"
    case .array(let items): "[\(items.map(\.words).joined(separator: ", "))]"
    case .string(let text), .number(let text): text
    case .bool(let truth): "\(truth)"
    case .null: "none"
    }
  }
}
