/// Counts of the records and items since the last end mark.
struct StreamCounts {
  private var counted = EndMark(records: 0, items: 0)
  private var promised = false

  mutating func add(items: Int, promised: Bool) {
    counted.records += 1
    counted.items += UInt64(items)
    self.promised = self.promised || promised
  }

  /// Checks an end mark against the counts, and sets them to 0.
  mutating func close(with mark: EndMark, at origin: Origin) throws {
    guard mark == counted else {
      throw FormatError(
        .endMarkMismatch, at: origin, expected: "\(mark.records) records with \(mark.items) items",
        found: "\(counted.records) with \(counted.items)",
        hint: "copy or make the file again; records of it are missing")
    }
    self = StreamCounts()
  }

  /// Checks that the file may end here: after an end mark, or after one record that was never promised one.
  func expectClosed(streamCount: Int, at origin: Origin) throws {
    if counted.records == 0 {
      if streamCount > 0 { return }
      throw FormatError(
        .noRecord, at: origin, expected: "at least one record", found: "none",
        hint: "make the file again")
    }
    if counted.records > 1 || promised || streamCount > 0 {
      throw FormatError(
        .missingEndMark, at: origin, expected: "an end mark after \(counted.records) records",
        found: "the end of the file",
        hint: "copy or make the file again, it was probably cut short; a program that writes such files "
          + "must close them with an end mark")
    }
  }
}

/// Reads the counts of an end mark from the 36 bytes that should be one.
func parseEndMark(_ bytes: [UInt8], at origin: Origin) throws -> EndMark {
  guard bytes.count == 8 + EndMark.contentCount else { throw cutSkippable(at: origin) }
  let version = integer(bytes[18...], as: UInt16.self)
  let length = integer(bytes[4...], as: UInt32.self)
  guard version == EndMark.version, length == EndMark.contentCount else {
    throw FormatError(
      .unsupportedVersion, at: origin, expected: "an end mark of version 1 with 28 bytes",
      found: "version \(version) with \(length)", hint: "read the file with a newer Tessera")
  }
  return EndMark(
    records: integer(bytes[20...], as: UInt64.self), items: integer(bytes[28...], as: UInt64.self))
}

func cutSkippable(at origin: Origin) -> FormatError {
  cut("a whole skippable frame", at: origin)
}

func truncatedMagic(_ origin: Origin) -> FormatError {
  cut("the magic number of a frame", at: origin)
}

private func cut(_ what: String, at origin: Origin) -> FormatError {
  FormatError(
    .truncatedFrame, at: origin, expected: what, found: "the end of the file within it",
    hint: "copy or make the file again; it was cut short")
}

/// The error for bytes where a frame should start, with a guess at what they are.
func foreignBytes(_ start: [UInt8], _ origin: Origin) -> FormatError {
  let known: [(prefix: [UInt8], what: String, hint: String)] = [
    ([0x1F, 0x8B], "gzip data", "decompress it with gzip -d first"),
    ([0xFD, 0x37, 0x7A, 0x58], "xz data", "decompress it with xz -d first"),
    (Array("PK".utf8), "a zip archive", "a PyTorch checkpoint must be converted to safetensors first"),
    ([0x93] + Array("NUMPY".utf8), "a NumPy array", "convert it to safetensors first"),
    ([0x89] + Array("PNG".utf8), "a PNG image", "give the image to tokenize, and its output to this tool"),
    ([0xFF, 0xD8, 0xFF], "a JPEG image", "give the image to tokenize, and its output to this tool"),
  ]
  let guess = known.first { start.starts(with: $0.prefix) }
  let hex = start.prefix(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
  return FormatError(
    origin.offset == 0 ? .notAContainer : .corruptFrame,
    at: origin, expected: "a zstd frame" + (origin.offset == 0 ? " or a safetensors header" : ""),
    found: guess?.what ?? "bytes \(hex)",
    hint: guess?.hint
      ?? (origin.offset == 0
        ? "check that this is the file you meant" : "copy or make the file again; bytes of it have changed"))
}
