import ArgumentParser
import ForeignFiles
import StreamFormat
import ToolRuntime

@main struct ExportTokens: Tool {
  static let toolName = "export-tokens"
  static let summary =
    "Writes tokens for other programs: as .npy arrays, or as LlamaGen's folders of .npy files."
  static let usageExample = "export-tokens emoji.tokens.zst --codes codes.npy --labels labels.npy"

  @Argument(help: "Token file.") var tokens: InputPath
  @Option(help: "Array to write: uint16 or uint32 [images, views, tokens].") var codes: OutputPath?
  @Option(help: "Array to write: int64 [images].") var labels: OutputPath?
  @Option(
    help: ArgumentHelp(
      "New folder to write as LlamaGen's training reads it: codes/INDEX.npy, int64 [1, views, tokens], and "
        + "labels/INDEX.npy, int64 [1]."))
  var folder: OutputFolder?
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: codes, labels)
    if codes == nil && labels == nil && folder == nil {
      throw ValidationError("give at least one of --codes, --labels and --folder.")
    }
    if [codes, labels].filter({ $0?.isStandardOutput == true }).count > 1 {
      throw ValidationError("'-' is given for two outputs, and there is one standard output only.")
    }
    if tokens.isStandardInput && (codes ?? labels) != nil {
      throw ValidationError(
        "an array begins with its size, for which the tokens are read twice: name a file, not '-'.")
    }
  }

  func execute(_ session: ToolSession) throws {
    let count = codes == nil && labels == nil ? 0 : try imageCount(session)
    let reader = try session.openTokens(tokens)
    let header = reader.header
    let type: ElementType = header.vocabSize > 65_536 ? .uint32 : .uint16
    let codeFile = try codes.map {
      try NumPyFile(session.create($0), type, [count, header.viewCount, header.tokensPerView])
    }
    let labelFile = try labels.map { try NumPyFile(session.create($0), .int64, [count]) }
    let pairs = try folder.map { try session.create($0) }
    let progress = session.progress("images", total: count == 0 ? nil : count)
    var done = 0
    while let batch = try reader.next() {
      try session.interruption.check()
      try codeFile?.write(batch.tokens, as: type)
      try labelFile?.write(batch.labels, as: .int64)
      if let pairs { try write(batch, from: done, to: pairs) }
      done += batch.count
      progress.advance(by: batch.count)
    }
    progress.finish()
    try codeFile?.finish()
    try labelFile?.finish()
    try pairs?.commit()
    try session.report(["images": .integer(done), "views": .integer(header.viewCount)])
  }

  /// The number of images, for which the file is read to its end without keeping any.
  private func imageCount(_ session: ToolSession) throws -> Int {
    // Opening it tells first what is not there.
    let source = try tokens.open()
    guard session.isRegularFile(tokens) else {
      throw ToolError(
        .usage, tokens.path,
        expected: "a file, since an array begins with its size",
        found: "a pipe",
        try: "--folder, or a file")
    }
    let reader = try TokenReader(session.reader(of: source))
    var count = 0
    while let batch = try reader.next() { count += batch.count }
    return count
  }

  private func write(_ batch: TokenBatch, from first: Int, to folder: AtomicFolder) throws {
    let header = batch.header
    let size = header.viewCount * header.tokensPerView
    for image in 0..<batch.count {
      let codes = batch.tokens[image * size..<(image + 1) * size]
      let shape = [1, header.viewCount, header.tokensPerView]
      let name = "\(first + image).npy"
      try folder.write(NumPyFile.bytes(codes, .int64, shape), subfolder: "codes", file: name)
      try folder.write(NumPyFile.bytes([batch.labels[image]], .int64, [1]), subfolder: "labels", file: name)
    }
  }
}

/// An `.npy` file that is written as its numbers come.
struct NumPyFile {
  private let sink: AtomicOutput

  init(_ sink: AtomicOutput, _ type: ElementType, _ shape: [Int]) throws {
    self.sink = sink
    try NumPyHeader(type, shape).bytes.withUnsafeBytes { try sink.write($0) }
  }

  func write(_ numbers: [UInt32], as type: ElementType) throws {
    try Self.elements(numbers, type).withUnsafeBytes { try sink.write($0) }
  }

  func finish() throws { try sink.commit() }

  /// A whole file.
  static func bytes(_ numbers: some Collection<UInt32>, _ type: ElementType, _ shape: [Int]) -> [UInt8] {
    NumPyHeader(type, shape).bytes + elements(numbers, type)
  }

  private static func elements(_ numbers: some Collection<UInt32>, _ type: ElementType) -> [UInt8] {
    let width = type.byteCount
    return [UInt8](unsafeUninitializedCapacity: numbers.count * width) { buffer, count in
      for (place, number) in numbers.enumerated() {
        // Little-endian; a number fits, since it is below the vocabulary or the number of classes.
        for byte in 0..<width {
          buffer[place * width + byte] = byte < 4 ? UInt8(truncatingIfNeeded: number >> (8 * byte)) : 0
        }
      }
      count = numbers.count * width
    }
  }
}
