import ArgumentParser
import StreamFormat
import ToolRuntime

/// Shows what is in a file of the suite, and verifies all of it.
@main
struct ShowFile: Tool {
  static let toolName = "show-file"
  static let summary = "Shows what is in a file of the suite: shapes, metadata, provenance, checksums."
  static let usageExample = "show-file --tensor labels --limit 20 images.tokens.zst"

  @Argument(help: "A .tokens.zst, .tensors.zst or .safetensors file, or '-' for standard input.")
  var file: InputPath

  @Option(help: ArgumentHelp("Print the values of this tensor, one row per line.", valueName: "name"))
  var tensor: String?

  @Option(
    help: ArgumentHelp("With --tensor, the largest number of values to print per record.", valueName: "count")
  )
  var limit: Int?

  @Flag(help: "Print only the commands that made the file, one per line, oldest first.")
  var provenance = false

  @Flag(
    help: ArgumentHelp(
      "Of a token file, print how many tokens of each view equal those of the centre view at the same place (ST-AR, "
        + "figure 1c)."))
  var compareViews = false

  @Flag(
    help: ArgumentHelp(
      "Print a model card in Markdown: sizes, classes, the commands that made the file, its inputs and settings."
    ))
  var modelCard = false

  @OptionGroup var common: CommonOptions

  func validate() throws {
    if [tensor != nil, provenance, compareViews, modelCard].count(where: { $0 }) > 1 {
      throw ValidationError("--tensor, --provenance, --compare-views and --model-card exclude each other.")
    }
    if modelCard && common.json { throw ValidationError("--model-card is Markdown: leave out --json.") }
    if limit != nil, tensor == nil { throw ValidationError("--limit goes with --tensor.") }
    if let limit, limit < 0 { throw ValidationError("--limit must be at least 0, not \(limit).") }
  }

  func execute(_ session: ToolSession) throws {
    // Opened without the session, which would read the file a second time to hash it for the provenance of
    // outputs.
    let reader = RecordReader(try file.open())
    if let tensor {
      try printTensor(tensor, reader, session)
    } else if provenance {
      try printProvenance(reader, session)
    } else if compareViews {
      try printViews(ViewComparison(TokenReader(reader)), session)
    } else if modelCard {
      for line in try ModelCard(reader).lines { try session.printLine(visible(line)) }
    } else if common.json {
      try session.report(jsonReport(reader))
    } else {
      try printReport(reader, session)
    }
  }

  private func printTensor(_ name: String, _ reader: RecordReader, _ session: ToolSession) throws {
    var found = false
    var last: Record?
    while let record = try reader.next() {
      last = record
      guard let tensor = record[name] else { continue }
      found = true
      let values = try TensorValues(tensor, limit: limit)
      let index = reader.recordIndex - 1
      try common.json
        ? session.report(values.json(record: index)) : values.print(record: index, to: session)
    }
    if !found, let last { _ = try last.tensor(name) }
  }

  private func printViews(_ comparison: ViewComparison, _ session: ToolSession) throws {
    if common.json { return try session.report(comparison.json) }
    for line in comparison.lines { try session.printLine(visible(line)) }
  }

  private func printProvenance(_ reader: RecordReader, _ session: ToolSession) throws {
    var chain = Provenance()
    while let summary = try reader.nextSummary() { chain.merge(try Provenance(summary.withoutTensors)) }
    if common.json { return try session.report(["provenance": JSONValue(parsing: chain.json) ?? []]) }
    for entry in chain.entries { try session.printLine(visible(entry.line)) }
  }
}

extension Provenance.Entry {
  /// The command as a shell takes it.
  var command: String { ([tool] + arguments.map(quoted)).joined(separator: " ") }

  /// The command with its inputs' hashes.
  var line: String {
    let hashes = inputs.map { "\($0.name)=\($0.sha256?.prefix(12) ?? "unknown")" }
    let trailer = hashes.isEmpty ? "" : "  inputs: " + hashes.joined(separator: " ")
    return command + "  # version \(version), seed \(seed), \(threads) threads\(trailer)"
  }
}

/// An argument as a shell needs it.
private func quoted(_ argument: String) -> String {
  let plain = argument.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_=./,:+%@".contains($0)) }
  if plain, !argument.isEmpty { return argument }
  return "'" + argument.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#)
    + "'"
}
