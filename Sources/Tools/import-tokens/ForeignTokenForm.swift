import ForeignFiles
import FoundationEssentials
import Glibc
import StreamFormat
import SuiteOptions
import ToolRuntime

/// Finds out in which of the forms codes are stored.
enum ForeignTokenForm {
  /// - Throws: `ToolError` for labels that do not go with the codes; `StreamError`, `ForeignFileError`.
  static func open(_ codes: InputPath, labels: InputPath?, _ session: ToolSession) throws
    -> any ForeignTokenSequence
  {
    if isFolder(codes) {
      session.recordInput(name: codes.path)
      if let labels {
        session.recordInput(name: labels.path)
        return try checked(NumPyTokenFiles(codes: codes.path, labels: labels.path), session)
      }
      guard try !NumPyTokenFiles.hasFiles(codes.path) else { throw needsLabels(codes, "folder of labels") }
      return try checked(NumPyTokenFiles(classFolders: codes.path), session)
    }
    let source = try PeekedSource(session.open(codes), count: 512)
    let start = Data(source.peeked)
    if start.isEmpty {
      throw ToolError(
        .badData, codes.path,
        expected: "codes of images",
        found: "an empty file",
        try: "another file")
    }
    try session.requireUncompressed(source.peeked, of: codes, expected: "codes of images")
    if TokenArchive.isArchive(start) {
      try refuse(labels, codes)
      return try TokenArchive(MappedFile(source))
    }
    // Codes of many images: NumPy's files begin with this.
    if start.starts(with: [0x93] + Array("NUMPY".utf8)) {
      guard let labels else { throw needsLabels(codes, "array of labels") }
      return try NumPyTokenArray(codes: MappedFile(source), labels: MappedFile(session.open(labels)))
    }
    guard start.first(where: { !isWhiteSpace($0) }) ?? UInt8(ascii: "{") == UInt8(ascii: "{") else {
      throw ToolError(
        .badData, codes.path,
        expected: "a tar or zip archive, an .npy array or lines of JSON",
        found: "another file",
        try: "--help, which shows these forms")
    }
    try refuse(labels, codes)
    return TokenLines(source)
  }

  /// No output may be one of the files of a folder.
  private static func checked(_ files: NumPyTokenFiles, _ session: ToolSession) throws -> NumPyTokenFiles {
    try session.requireNoOutput(among: files.paths)
    return files
  }

  private static func isFolder(_ input: InputPath) -> Bool {
    var isFolder = false
    return !input.isStandardInput
      && FileManager.default.fileExists(atPath: input.path, isDirectory: &isFolder)
      && isFolder
  }

  private static func isWhiteSpace(_ byte: UInt8) -> Bool { [0x20, 0x09, 0x0A, 0x0D].contains(byte) }

  private static func needsLabels(_ codes: InputPath, _ what: String) -> ToolError {
    ToolError(
      .usage, codes.path,
      expected: "--labels, the \(what) of these images",
      found: "no such option",
      try: "--labels PATH")
  }

  private static func refuse(_ labels: InputPath?, _ codes: InputPath) throws {
    guard let labels else { return }
    throw ToolError(
      .usage, "--labels \(labels.path)",
      expected: "no labels, since \(codes.path) has a class for each image",
      found: "some",
      try: "without --labels")
  }
}
