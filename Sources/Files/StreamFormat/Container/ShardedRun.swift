/// What the shards of one whole have in common: the strings of their records, and the run that made them, as their
/// provenance tells of it. Shards that other settings, seeds or inputs made are no whole.
struct ShardedRun {
  /// The strings; those that hold JSON as what they hold.
  private let strings: JSONText.Value
  /// Of the run with `--shard`: its tool, seed, settings and the hashes of its inputs; nil without provenance.
  private let run: JSONText.Value?

  /// - Parameter metadata: of a record of a shard.
  init(_ metadata: [String: String]) {
    let strings = metadata.filter { ![Shard.key, Self.provenance].contains($0.key) }
    self.strings = .object(strings.map { ($0.key, Self.parsed($0.value) ?? .string($0.value)) })
    run = metadata[Self.provenance].flatMap(Self.run)
  }

  /// The first thing in which another shard's run is not as this one: its name, and what it is in each of them.
  func difference(to other: ShardedRun) -> (name: String, here: String, there: String)? {
    JSONText.difference(strings, other.strings)
      ?? run.flatMap { here in other.run.flatMap { JSONText.difference(here, $0) } }
  }

  private static let provenance = "provenance"

  private static func parsed(_ text: String) -> JSONText.Value? { try? JSONText.parse(Array(text.utf8)) }

  /// The last run that had a shard to make: what came after it, such as relabelling, may have been done to each shard alone.
  private static func run(of chain: String) -> JSONText.Value? {
    guard case .array(let entries)? = parsed(chain) else { return nil }
    for case .object(let entry) in entries.reversed() {
      func field(_ key: String) -> JSONText.Value? { entry.first { $0.key == key }?.value }
      guard case .array(let arguments)? = field("arguments"), arguments.contains(where: isShardOption) else {
        continue
      }
      let compared = ["tool", "seed", "settings"].map { ($0, field($0) ?? .null) }
      return .object(compared + [("inputs", hashes(field("inputs")))])
    }
    return nil
  }

  private static func isShardOption(_ argument: JSONText.Value) -> Bool {
    guard case .string(let text) = argument else { return false }
    return text == "--shard" || text.hasPrefix("--shard=")
  }

  /// The same file may lie under another name on another machine.
  private static func hashes(_ inputs: JSONText.Value?) -> JSONText.Value {
    guard case .array(let inputs)? = inputs else { return .null }
    return .array(
      inputs.map { input in
        guard case .object(let fields) = input else { return .null }
        return fields.first { $0.key == "sha256" }?.value ?? .null
      })
  }
}

extension JSONText {
  /// The first place at which two values differ, such as `draw.temperature`, and what is there in each.
  static func difference(_ here: Value, _ there: Value, at place: String = "") -> (
    name: String, here: String, there: String
  )? {
    switch (here, there) {
    case (.object(let these), .object(let those)):
      let (these, those) = (fields(these), fields(those))
      return Set(these.keys).union(those.keys).sorted().lazy.compactMap { key in
        difference(these[key] ?? .null, those[key] ?? .null, at: place.isEmpty ? key : "\(place).\(key)")
      }.first
    case (.array(let these), .array(let those)) where these.count == those.count:
      return zip(these, those).enumerated().lazy.compactMap { index, pair in
        difference(pair.0, pair.1, at: "\(place) \(index + 1)")
      }.first
    default:
      let (here, there) = (here.words, there.words)
      return here == there ? nil : (place, here, there)
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
