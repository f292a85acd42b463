import ToolRuntime

/// A program that compresses whole files, known by the bytes that its files begin with. The suite's own files are zstd's.
private enum WholeFileCompression: String, CaseIterable {
  case gzip, bzip2, xz

  private var start: [UInt8] {
    switch self {
    case .gzip: [0x1F, 0x8B]
    case .bzip2: Array("BZh".utf8)
    case .xz: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0]
    }
  }

  /// Nil of a file that none of them wrote.
  init?(start bytes: [UInt8]) {
    guard let found = Self.allCases.first(where: { bytes.starts(with: $0.start) }) else { return nil }
    self = found
  }

  /// The program that gives the bytes back on standard output.
  var expander: String { self == .gzip ? "zcat" : self == .bzip2 ? "bzcat" : "xzcat" }
}

extension ToolSession {
  /// An archive is read in place, which one that is compressed as a whole does not allow.
  /// - Parameters:
  ///   - start: the first bytes of the input.
  ///   - expected: what it should hold.
  /// - Throws: ``ToolError`` (bad data).
  public func requireUncompressed(_ start: [UInt8], of input: InputPath, expected: String) throws {
    guard let compression = WholeFileCompression(start: start) else { return }
    throw ToolError(
      .badData, input.path,
      expected: "\(expected) that are not compressed as a whole",
      found: compression.rawValue,
      try: "\(compression.expander) FILE | \(name) -")
  }
}
