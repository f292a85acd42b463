import Foundation
import StreamFormat
import TensorCore

/// One run of a tool: its settings, inputs, outputs, messages and logs.
public final class ToolSession {
  public let name: String
  /// The command line without the tool's name.
  public let arguments: [String]
  /// The options that every tool has.
  public let options: CommonOptions
  /// SIGINT and SIGTERM.
  public let interruption: Interruption
  /// The number of threads to use.
  public let threads: Int
  /// What the inputs that were opened tell of their past, and the inputs themselves.
  private var chain = Provenance()
  private var inputs: [Provenance.Input] = []
  private var log: JSONLog?
  private var logIsBegun = false
  private let start = ContinuousClock.now
  private let standardError = FileDescriptorSink(descriptor: STDERR_FILENO, name: "standard error")

  /// A session; tools are given one by ``Tool/main()``.
  public init(
    name: String, arguments: [String], options: CommonOptions, interruption: Interruption = Interruption()
  ) {
    self.name = name
    self.arguments = arguments
    self.options = options
    self.interruption = interruption
    threads = options.threads ?? ThreadCount.available()
  }

  /// The seed of all random numbers of the run.
  public var seed: UInt64 { options.seed }

  /// Threads that wait for each other's processors are much slower than fewer threads.
  func warnOfTooManyThreads(granted: Int = ThreadCount.available()) {
    guard threads > 2 * granted else { return }
    say("--threads \(threads): the machine grants \(granted); more are slower")
  }

  // MARK: Words

  /// A remark on standard error, unless `--quiet`.
  public func say(_ message: String) {
    if !options.quiet { warn(message) }
  }

  /// A warning on standard error, in any case.
  public func warn(_ message: String) {
    // Where standard error cannot be written there is nobody to tell.
    try? standardError.write(text: "\(name): \(message)\n")
  }

  /// A progress display on standard error.
  public func progress(_ unit: String, total: Int? = nil) -> ProgressReporter {
    let style: ProgressReporter.Style =
      options.quiet ? .silent : isatty(STDERR_FILENO) == 1 ? .terminal : .lines
    return ProgressReporter(standardError, prefix: name, unit: unit, total: total, style: style)
  }

  /// Opens the file of `--log`, if it was given, so that a name that cannot be created fails before the work.
  public func openLog() throws {
    if let path = options.log { log = try JSONLog(path: path, appending: true) }
  }

  /// Makes a resumed run append to the log; otherwise the first line replaces it.
  public func continueLog() {
    logIsBegun = true
  }

  /// Writes a line to the file of `--log`, if it was given.
  /// - Throws: ``StreamError``.
  public func log(_ fields: [String: JSONValue]) throws {
    if log == nil { try openLog() }
    if !logIsBegun { try log?.empty() }
    logIsBegun = true
    try log?.write(fields)
  }

  /// Ends the run with its summary: a JSON line on standard output if `--json`, and one in the log.
  /// - Throws: ``StreamError``.
  public func report(_ summary: [String: JSONValue]) throws {
    if options.json { try printLine(sortedJSON(summary)) }
    try logSummary(summary)
  }

  /// Ends the log with the summary, the seconds since the start of the run and its peak memory.
  /// - Throws: ``StreamError``.
  public func logSummary(_ summary: [String: JSONValue]) throws {
    try log([
      "summary": .object(summary), "elapsed_seconds": .number((ContinuousClock.now - start) / .seconds(1)),
      "peak_megabytes": .number(peakMegabytes()),
    ])
  }

  /// A line on standard output, for tools whose product is text.
  /// - Throws: ``StreamError``.
  public func printLine(_ text: String) throws {
    try AtomicOutput.standardOutput().write(text: text + "\n")
  }

  // MARK: Inputs

  /// Opens an input. Unless `--no-provenance` is given, the input is hashed first, before the run can change
  /// it.
  /// - Throws: ``StreamError``, ``ToolError``.
  public func open(_ input: InputPath) throws -> FileSource {
    let canHash = !input.isStandardInput && !options.noProvenance && isRegularFile(input.path)
    let hash = canHash ? try SHA256Hasher.hex(of: try input.open()) : nil
    inputs.append(Provenance.Input(name: input.path, sha256: hash))
    return try input.open()
  }

  /// Opens an input of records.
  /// - Throws: As ``open(_:)``.
  public func openRecords(_ input: InputPath) throws -> RecordReader {
    RecordReader(try open(input))
  }

  /// Opens a token file and adds its provenance to that of this run.
  /// - Throws: As ``open(_:)``, and ``FormatError``.
  public func openTokens(_ input: InputPath) throws -> TokenReader {
    let reader = try TokenReader(try openRecords(input))
    try inherit(reader.metadata, from: input)
    return reader
  }

  /// Reads a file of one record to its end, and adds its provenance to that of this run.
  /// - Throws: As ``open(_:)``, and ``FormatError``.
  public func readRecord(_ input: InputPath) throws -> Record {
    let reader = try openRecords(input)
    let record = try readOne(reader) { try reader.next() }
    try inherit(record)
    return record
  }

  /// The result of `read` for the only record of a file.
  /// - Throws: ``FormatError`` if there is none or a second one, and what `read` throws.
  public func readOne<Content>(_ reader: RecordReader, _ read: () throws -> Content?) throws -> Content {
    guard let content = try read() else {
      throw FormatError(
        .noRecord, at: Origin(file: reader.name), expected: "one record", found: "none",
        hint: "make the file again")
    }
    if let second = try reader.nextSummary() {
      throw FormatError(
        .streamMismatch, at: second.origin, expected: "one record in the file", found: "a second one",
        hint: "models and mappings cannot be concatenated; give one of them")
    }
    return content
  }

  /// Adds the provenance of a record to that of this run.
  /// - Throws: ``FormatError`` (badMetadata).
  public func inherit(_ record: Record) throws {
    if !options.noProvenance { chain.merge(try Provenance(record)) }
  }

  private func inherit(_ metadata: [String: String], from input: InputPath) throws {
    var record = Record(metadata: metadata)
    record.origin = Origin(file: input.path, record: 0)
    try inherit(record)
  }

  /// Adds an input that is no single file, such as a folder of images, to the provenance.
  public func recordInput(name: String, sha256: String? = nil) {
    inputs.append(Provenance.Input(name: name, sha256: sha256))
  }

  // MARK: Outputs

  /// Starts an output; it takes its target's place on ``AtomicOutput/commit()``.
  /// - Parameter binary: The content is not text, so that it is refused to a terminal without `--force`.
  /// - Throws: ``StreamError/cannotCreate(file:errno:)``, ``ToolError``.
  public func create(_ output: OutputPath, binary: Bool = true) throws -> AtomicOutput {
    if !output.isStandardOutput { return try createFile(output.path) }
    if binary, !options.force, isatty(STDOUT_FILENO) == 1 {
      throw ToolError(
        .usage,
        "standard output: expected a file or a pipe for binary data; found a terminal; try: redirect it, name "
          + "a file, or --force")
    }
    return AtomicOutput.standardOutput()
  }

  /// Starts a file by its path, for which `-` is a name as any other.
  /// - Throws: As ``create(_:binary:)``.
  public func createFile(_ path: String) throws -> AtomicOutput {
    try AtomicOutput(path: path, force: options.force, temporaries: interruption.temporaries)
  }

  /// Checks before long work that an output can be created, without leaving a file behind.
  /// - Throws: As ``create(_:binary:)``.
  public func requireCreatable(_ output: OutputPath) throws {
    var status = stat()
    let exists = !output.isStandardOutput && stat(output.path, &status) == 0
    // The reader of a pipe would take the attempt for the end of the data.
    if exists, status.st_mode & S_IFMT != S_IFREG, status.st_mode & S_IFMT != S_IFDIR { return }
    try create(output).discard()
  }

  /// Writes a whole file of one record, with this run's provenance.
  /// - Throws: ``StreamError``, ``ToolError``.
  public func write(_ record: Record, to output: OutputPath) throws {
    let sink = try create(output)
    var record = record
    record.metadata.merge(provenanceMetadata) { _, new in new }
    let writer = RecordWriter(sink)
    try writer.write(record)
    try writer.finish()
    try sink.commit()
  }

  /// The metadata with the provenance of this run's outputs; empty with `--no-provenance`.
  ///
  /// Complete only after all inputs were opened.
  public var provenanceMetadata: [String: String] {
    if options.noProvenance { return [:] }
    var chain = chain
    chain.entries.append(
      Provenance.Entry(
        tool: name, version: toolVersion, arguments: arguments, seed: seed, threads: threads, inputs: inputs))
    return [Provenance.key: chain.json]
  }
}

/// The version of all tools of the suite.
public let toolVersion = "0.1.0"

/// The largest resident size of this process, in millions of bytes.
private func peakMegabytes() -> Double {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  return Double(usage.ru_maxrss) * 1024 / 1e6
}

private func isRegularFile(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
}
