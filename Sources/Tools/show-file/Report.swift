import StreamFormat
import ToolRuntime

/// Prints a file's records as they are read and then its totals, so that a damaged file shows what precedes
/// the damage.
func printReport(_ reader: RecordReader, _ session: ToolSession) throws {
  var first: RecordSummary?
  while let record = try reader.nextSummary() {
    let kind = visible(record.metadata["kind"] ?? "no kind")
    let offset = record.origin.offset ?? 0
    try session.printLine(
      "record \(reader.recordIndex - 1) at byte \(offset): \(kind), items: \(record.itemCount)")
    for line in metadataLines(record, besides: first) { try session.printLine("  " + visible(line)) }
    for tensor in record.tensors {
      try session.printLine("  " + visible("\(tensor.name)  \(tensor.elementType.rawValue) \(tensor.shape)"))
    }
    first = first ?? record
  }
  try session.printLine("\(reader.name): records: \(reader.recordIndex), items: \(reader.itemCount)")
  try session.printLine("size: \(reader.byteOffset) bytes")
  try session.printLine("sha256: \(reader.sha256() ?? "")")
  try session.printLine(endMarks(reader.streamCount))
}

/// The metadata in which a record differs from the first one; long values are cut.
private func metadataLines(_ record: RecordSummary, besides first: RecordSummary?) -> [String] {
  record.metadata.sorted { $0.key < $1.key }.filter { first?.metadata[$0.key] != $0.value }.flatMap {
    key, value in
    if key == Provenance.key, let chain = try? Provenance(record.withoutTensors) {
      return ["\(key):"] + chain.entries.map { "  " + $0.line }
    }
    let shown = value.count > 300 ? value.prefix(300) + "... (\(value.count) characters)" : value[...]
    return ["\(key): \(shown)"]
  }
}

private func endMarks(_ count: Int) -> String {
  switch count {
  case 0: "end mark: none, and a single foreign record needs none"
  case 1: "end mark: verified"
  default: "end marks: \(count) verified (a concatenation)"
  }
}

/// The same as JSON: totals, and for each record what is new in its metadata.
func jsonReport(_ reader: RecordReader) throws -> [String: JSONValue] {
  var records: [JSONValue] = []
  var first: RecordSummary?
  while let record = try reader.nextSummary() {
    let new = record.metadata.filter { first?.metadata[$0.key] != $0.value }
    records.append([
      "offset": .integer(Int(record.origin.offset ?? 0)), "items": .integer(record.itemCount),
      "metadata": .object(new.reduce(into: [:]) { $0[$1.key] = metadataValue($1.key, $1.value) }),
      "tensors": .array(record.tensors.map(\.json)),
    ])
    first = first ?? record
  }
  return [
    "file": .string(reader.name), "bytes": .integer(Int(reader.byteOffset)),
    "sha256": .string(reader.sha256() ?? ""), "end_marks": .integer(reader.streamCount),
    "kind": first?.metadata["kind"].map { .string($0) } ?? .null, "items": .integer(reader.itemCount),
    "records": .array(records),
  ]
}

/// Values that are JSON lists and objects by the format are shown as such; all others are strings.
private func metadataValue(_ key: String, _ value: String) -> JSONValue {
  let structured: Set = ["config", "provenance", "class_names", "views", "scales", "statistics", "shard"]
  return structured.contains(key) ? JSONValue(parsing: value) ?? .string(value) : .string(value)
}

extension TensorInfo {
  var json: JSONValue {
    [
      "name": .string(name), "type": .string(elementType.rawValue),
      "shape": .array(shape.map { .integer($0) }), "bytes": .integer(byteCount),
    ]
  }
}
