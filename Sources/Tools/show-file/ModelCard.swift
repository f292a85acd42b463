import StreamFormat
import ToolRuntime

/// A model card in Markdown, from what a file says of itself: its sizes, its classes, and the runs that led to it.
struct ModelCard {
  private let name: String
  private let metadata: [String: String]
  private let numbers: Int
  private let items: Int
  private let size: Int
  private let sha256: String
  private let history: Provenance

  /// Reads a file to its end.
  /// - Throws: `FormatError`.
  init(_ reader: RecordReader) throws {
    var first: RecordSummary?
    var numbers = 0
    var history = Provenance()
    while let summary = try reader.nextSummary() {
      first = first ?? summary
      numbers += summary.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
      history.merge(try Provenance(summary.withoutTensors))
    }
    (name, metadata, self.numbers, self.history) = (reader.name, first?.metadata ?? [:], numbers, history)
    (items, size, sha256) = (reader.itemCount, Int(reader.byteOffset), reader.sha256() ?? "")
  }

  /// The card, a line per element.
  var lines: [String] {
    let kind = metadata["kind"] ?? "file without a kind"
    var lines = [
      "# \(Self.plain(name.split(separator: "/").last.map(String.init) ?? "file"))", "", Self.sentence(kind),
      "",
    ]
    lines += Self.table(("property", "value"), properties(kind))
    lines += ["", "## How it was made", ""]
    lines +=
      history.entries.isEmpty
      ? ["The file does not say."] : history.entries.map { "    " + visible($0.command) }
    let inputs = history.entries.flatMap { entry in
      entry.inputs.map {
        ("\(Self.code($0.name)), read by \(Self.code(entry.tool))", Self.plain($0.sha256 ?? "unknown"))
      }
    }
    if !inputs.isEmpty { lines += [""] + Self.table(("input", "SHA-256"), inputs) }
    if let last = history.entries.last(where: { $0.settings != nil }),
      case .object(let settings)? = last.settings
    {
      lines += ["", "## Settings of \(Self.code(last.tool)), version \(Self.plain(last.version))", ""]
      lines += Self.table(
        ("setting", "value"), settings.sorted { $0.key < $1.key }.map { (Self.plain($0), Self.text($1)) })
    }
    return lines + [
      "", "## To be added", "",
      "Who made it, under which licence, from which images and with whose consent, what it is for, and what it must not be used for.",
    ]
  }

  private func properties(_ kind: String) -> [(String, String)] {
    var rows = [("kind", Self.plain(kind)), ("numbers", "\(numbers)"), ("items", "\(items)")]
    if case .object(let sizes)? = metadata["config"].flatMap({ JSONValue(parsing: $0) }) {
      rows += sizes.sorted { $0.key < $1.key }.map { (Self.code($0), Self.text($1)) }
    }
    if case .array(let names)? = metadata["class_names"].flatMap({ JSONValue(parsing: $0) }), !names.isEmpty {
      rows.append(("classes", names.map(Self.text).joined(separator: ", ")))
    }
    for key in ["codebook_sha256", "cluster_size", "vocab_size", "grid"] {
      if let value = metadata[key] { rows.append(("`\(key)`", Self.plain(value))) }
    }
    return rows + [("size", "\(size) bytes"), ("SHA-256", sha256)]
  }

  private static func sentence(_ kind: String) -> String {
    switch FileKind(rawValue: kind) {
    case .tokenizer: "A vector-quantised autoencoder: it turns images into tokens and tokens into images."
    case .arModel: "A class-conditional autoregressive transformer over the tokens of images."
    case .fineModel:
      "The second stage of coarse-to-fine generation: it draws all fine codes of an image in one step."
    case .varModel: "A class-conditional transformer that predicts the tokens of images scale by scale."
    default: "A file of kind \(plain(kind))."
    }
  }

  private static func text(_ value: JSONValue) -> String {
    if case .string(let text) = value { return plain(text) }
    return plain((try? sortedJSON(value)) ?? "")
  }

  /// Text of a file as text: no line, element, link, picture or code of its own.
  private static func plain(_ text: String) -> String {
    var shown = visible(text).replacing("&", with: "&amp;").replacing("<", with: "&lt;")
    for mark in ["\\", "[", "]", "`", "*", "~"] { shown = shown.replacing(mark, with: "\\" + mark) }
    // Programs that show Markdown make links of addresses that stand bare.
    for (bare, escaped) in [("://", "\\://"), ("www.", "www\\."), ("@", "&#64;")] {
      shown = shown.replacing(bare, with: escaped)
    }
    return shown.split(separator: " ", omittingEmptySubsequences: false).map(Self.escapedAtItsEnds)
      .joined(separator: " ")
  }

  /// A word whose underscores cannot be marks of emphasis. Those within it, as in `num_classes`, are none.
  private static func escapedAtItsEnds(_ word: Substring) -> String {
    func isWithin(_ place: Substring.Index) -> Bool {
      guard let before = word[..<place].last, let after = word[place...].dropFirst().first else {
        return false
      }
      return [before, after].allSatisfy { $0.isLetter || $0.isNumber }
    }
    return word.indices.map { word[$0] == "_" && !isWithin($0) ? "\\_" : String(word[$0]) }.joined()
  }

  /// Text of a file as code, which it cannot end.
  private static func code(_ text: String) -> String { "`" + visible(text).replacing("`", with: "'") + "`" }

  /// A table in Markdown; what would end a cell is escaped.
  private static func table(_ head: (String, String), _ rows: [(String, String)]) -> [String] {
    func cell(_ text: String) -> String {
      text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
    }
    return ["| \(head.0) | \(head.1) |", "|---|---|"] + rows.map { "| \(cell($0.0)) | \(cell($0.1)) |" }
  }
}
