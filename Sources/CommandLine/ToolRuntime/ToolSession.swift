import Communication
import FoundationEssentials
import Glibc
import StreamFormat
import TensorCore

/// One run of a tool: its settings, inputs, outputs, messages and logs.
public final class ToolSession {
  public let name: String
  /// The command line without the tool's name.
  public let arguments: [String]
  /// The options that every tool has.
  public let options: CommonOptions
  /// SIGINT, SIGTERM and SIGHUP.
  public let interruption: Interruption
  /// The number of threads to use.
  public let threads: Int
  /// The processes that share the run. The first of them writes all files and messages; calls that write do nothing on the
  /// others.
  public let communicator: any Communicator
  /// The ranks that run on this machine, this one counted in.
  let neighbours: Neighbours
  /// What the inputs that were opened tell of their past, and the inputs themselves.
  private var history = Provenance()
  private var inputs: [Provenance.Input] = []
  /// Everything that decides what the run computes, for the provenance of its outputs.
  public var settings: JSONValue?
  /// The memory of this process, which does not change while it runs.
  lazy var memory = MemoryLimit.current()?.shared(by: neighbours.onMachine)
  /// The largest of the needs that the run has found so far.
  var largestEstimate: MemoryEstimate?
  private let claims = FileClaims()
  private let outputs = OutputGroup()
  private var actionsInPlace: [() -> Void] = []
  private var log: JSONLog?
  private var logIsBegun = false
  private var logIsNew = false
  private let start = ContinuousClock.now
  private let standardError = FileDescriptorSink(descriptor: STDERR_FILENO, name: "standard error")

  /// A session; tools are given one by ``Tool/main()``.
  public init(
    name: String, arguments: [String], options: CommonOptions, interruption: Interruption = Interruption(),
    communicator: any Communicator = SingleProcess()
  ) {
    self.name = name
    self.arguments = arguments
    self.options = options
    self.interruption = interruption
    self.communicator = communicator
    neighbours = Neighbours(communicator)
    threads = options.threads ?? max(1, ThreadCount.available() / neighbours.onProcessors)
  }

  /// The seed of all random numbers of the run.
  public var seed: UInt64 { options.seed }

  /// Stops if the threads cannot be started, and warns if there are so many that they wait for each other's processors.
  /// - Throws: ``ToolError``.
  func checkThreads(granted: Int = ThreadCount.available()) throws {
    guard threads > 2 * granted else { return }
    try ThreadCount.requireStartable(threads)
    warn("--threads \(threads): the machine grants \(granted); more are slower")
  }

  // MARK: Words

  /// A remark on standard error about a run that goes as it should; `--quiet` leaves it out.
  public func say(_ message: String) {
    if !options.quiet { printLineOfErrors(message) }
  }

  /// What the user should know even with `--quiet`: the result is not quite what was asked for, or comes slowly.
  public func warn(_ message: String) {
    printLineOfErrors(message)
  }

  private func printLineOfErrors(_ message: String) {
    guard communicator.isFirst else { return }
    // Where standard error cannot be written there is nobody to tell.
    try? standardError.write(text: visible("\(name): \(message)") + "\n")
  }

  /// A progress display on standard error.
  public func progress(_ unit: String, total: Int? = nil) -> ProgressReporter {
    let style: ProgressReporter.Style =
      options.quiet || !communicator.isFirst ? .silent : isatty(STDERR_FILENO) == 1 ? .terminal : .lines
    return ProgressReporter(standardError, prefix: name, unit: unit, total: total, style: style)
  }

  /// Opens the file of `--log`, if it was given, so that a name that cannot be created fails before the work.
  public func openLog() throws {
    guard let path = options.log?.path, communicator.isFirst else { return }
    try claim(ClaimedFile(name: "", path: path, role: .log))
    logIsNew = access(path, F_OK) != 0
    log = try JSONLog(path: path, appending: true)
  }

  /// Removes the file of `--log` if this run has made it and written nothing.
  func removeEmptyLog() {
    guard logIsNew, !logIsBegun, let path = options.log?.path else { return }
    unlink(path)
  }

  /// Makes a resumed run append to the log; otherwise the first line replaces it.
  public func continueLog() {
    logIsBegun = true
  }

  /// Has the log go on after those of its lines that are kept; the others are removed.
  /// - Throws: ``StreamError``.
  public func continueLog(keeping isKept: (Substring) -> Bool) throws {
    guard communicator.isFirst, let path = options.log?.path,
      let text = try? String(contentsOfFile: path, encoding: .utf8)
    else {
      return
    }
    let sink = try createFile(path)
    try sink.write(text: text.split(separator: "\n").filter(isKept).map { $0 + "\n" }.joined())
    try sink.commit()
    // The log was opened before the run; the file that now has its name is another one.
    try openLog()
    continueLog()
  }

  /// Writes a line to the file of `--log`, if it was given.
  /// - Throws: ``StreamError``.
  public func log(_ fields: [String: JSONValue]) throws {
    if log == nil { try openLog() }
    if !logIsBegun { try log?.empty() }
    logIsBegun = true
    try log?.write(fields)
  }

  /// Ends the run: its summary is added to the log, its outputs take their places, and the summary is printed on standard output
  /// if `--json`. Whoever finds an output in its place finds its log whole, also after a kill between the two.
  /// - Throws: ``StreamError``.
  public func report(_ summary: [String: JSONValue]) throws {
    try logSummary(summary)
    try commitOutputs()
    if options.json, communicator.isFirst { try printSummary(sortedJSON(summary)) }
  }

  /// A product that is in its place is not lost because nobody reads the summary.
  private func printSummary(_ text: String) throws {
    do {
      try printLine(text)
    } catch StreamError.closedPipe where claims.hasNamedOutput {}
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

  // MARK: The files of the run

  /// Adds files to those that the run reads and writes; each has one purpose, and none is another under a second name.
  ///
  /// ``Tool/main()`` adds what the command line names before it opens anything.
  /// - Throws: ``ToolError``.
  public func claim(_ files: [ClaimedFile]) throws {
    for file in files { try claims.add(file) }
  }

  func claim(_ file: ClaimedFile) throws { try claim([file]) }

  /// Stops if one of these files, which are read without being named on the command line, would be overwritten.
  /// - Throws: ``ToolError``.
  public func requireNoOutput(among inputs: some Sequence<String>) throws {
    try claims.requireNoOutput(among: inputs)
  }

  // MARK: Inputs

  /// Opens an input. Unless `--no-provenance` is given, the input is hashed first, before the run can change
  /// it.
  /// - Throws: ``StreamError``, ``ToolError``.
  public func open(_ input: InputPath) throws -> FileSource {
    try claim(ClaimedFile(name: "", path: input.path, role: .input))
    let canHash = !options.noProvenance && isRegularFile(input)
    let hash = canHash ? try SHA256Hasher.hex(of: try input.open()) : nil
    inputs.append(Provenance.Input(name: input.path, sha256: hash))
    return try input.open()
  }

  /// True of an input that can be read more than once, and in any order: no pipe, device or standard stream.
  public func isRegularFile(_ input: InputPath) -> Bool {
    !input.isStandardInput && FileIdentity.of(path: input.path).kind == .regular
  }

  /// Opens an input of records.
  /// - Throws: As ``open(_:)``.
  public func openRecords(_ input: InputPath) throws -> RecordReader { reader(of: try open(input)) }

  /// A reader of records that refuses those that do not fit in memory, and tells of a file that is one shard of several.
  public func reader(of source: ByteSource) -> RecordReader {
    RecordReader(
      source, admit: { [self] in try requireMemory(MemoryEstimate(toRead: $0, from: source.name)) },
      remark: { [self] in
        say("\(source.name): \($0.words) alone, which begins at item \($0.first) of \($0.total)")
      })
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
      let kind = second.metadata["kind"].map { ", of kind \($0)" } ?? ""
      throw FormatError(
        .streamMismatch, at: second.origin, expected: "one record in the file, as a model or a mapping is",
        found: "a second one" + visible(shortened(kind, to: 40)),
        hint: "check which file stands at which place or option; models and mappings cannot be concatenated")
    }
    return content
  }

  /// Adds the provenance of a record to that of this run.
  /// - Throws: ``FormatError`` (badMetadata).
  public func inherit(_ record: Record) throws {
    if !options.noProvenance { history.merge(try Provenance(record)) }
  }

  /// Adds the provenance among the metadata of a file to that of this run.
  /// - Throws: ``FormatError`` (badMetadata).
  public func inherit(_ metadata: [String: String], from input: InputPath) throws {
    var record = Record(metadata: metadata)
    record.origin = Origin(file: input.path, record: 0)
    try inherit(record)
  }

  /// Adds an input that is no single file, such as a folder of images, to the provenance.
  public func recordInput(name: String, sha256: String? = nil) {
    inputs.append(Provenance.Input(name: name, sha256: sha256))
  }

  // MARK: Outputs

  /// Starts an output. After its ``AtomicOutput/commit()`` it waits for the run's other outputs, and takes its target's
  /// place with them in ``commitOutputs()``.
  /// - Parameter binary: The content is not text, so that it is refused to a terminal without `--force`.
  /// - Throws: ``StreamError/cannotCreate(file:errno:)``, ``ToolError``.
  public func create(_ output: OutputPath, binary: Bool = true) throws -> AtomicOutput {
    try claim(ClaimedFile(name: "", path: output.path, role: .output))
    if !output.isStandardOutput {
      return try AtomicOutput(
        path: output.path, force: options.force, temporaries: interruption.temporaries, group: outputs)
    }
    if binary, !options.force, isatty(STDOUT_FILENO) == 1 {
      throw ToolError(
        .usage, "standard output",
        expected: "a file or a pipe for binary data",
        found: "a terminal",
        try: "redirect it, name a file, or --force")
    }
    return AtomicOutput.standardOutput()
  }

  /// Starts an output folder, which is like a file in all that.
  /// - Throws: ``ToolError`` for a folder that is not empty; ``StreamError/cannotCreate(file:errno:)``.
  public func create(_ folder: OutputFolder) throws -> AtomicFolder {
    try claim(ClaimedFile(name: "", path: folder.path, role: .folder))
    return try AtomicFolder(folder.path, temporaries: interruption.temporaries, group: outputs)
  }

  /// Puts the outputs that are committed in their places, all together. ``report(_:)`` does it, and ``Tool/main()``
  /// at the end of every run that has not failed.
  /// - Throws: ``StreamError/writeFailed(file:errno:)``.
  public func commitOutputs() throws {
    try outputs.moveIntoPlace()
    for action in actionsInPlace { action() }
    actionsInPlace = []
  }

  /// Does something once the outputs are in their places, such as removing what they make superfluous.
  public func whenInPlace(_ action: @escaping () -> Void) { actionsInPlace.append(action) }

  /// Starts a file that takes its place at once, for what is no product: a checkpoint, a log.
  func createFile(_ path: String) throws -> AtomicOutput {
    try AtomicOutput(path: path, force: options.force, temporaries: interruption.temporaries)
  }

  /// Starts a file that takes its place at once, as the answer to a request. No file may be there.
  /// - Throws: ``ToolError``, ``StreamError/cannotCreate(file:errno:)``.
  public func createNew(_ path: String) throws -> AtomicOutput {
    try requireNew(path)
    return try createFile(path)
  }

  /// Stops where a new file cannot have this name.
  /// - Throws: ``ToolError`` (cannot create).
  public func requireNew(_ path: String) throws {
    // The system would take the name up to there.
    guard !path.utf8.contains(0) else {
      throw ToolError(
        .cannotCreate, visible(path),
        expected: "a name without a zero byte",
        found: "one",
        try: "another name")
    }
    guard FileIdentity.of(path: path).kind == .new else {
      throw ToolError(
        .cannotCreate, path,
        expected: "a new file",
        found: "one that is there",
        try: "another name")
    }
  }

  /// Checks before long work that an output can be created, without leaving a file behind.
  /// - Throws: As ``create(_:binary:)``.
  public func requireCreatable(_ output: OutputPath) throws {
    guard communicator.isFirst else { return }
    var status = stat()
    let exists = !output.isStandardOutput && stat(output.path, &status) == 0
    // The reader of a pipe would take the attempt for the end of the data.
    if exists, status.st_mode & S_IFMT != S_IFREG, status.st_mode & S_IFMT != S_IFDIR { return }
    try create(output).discard()
  }

  /// Writes a whole file of one record, with this run's provenance.
  /// - Throws: ``StreamError``, ``ToolError``.
  public func write(_ record: Record, to output: OutputPath) throws {
    try write(RecordStream(record), to: output)
  }

  /// Writes a whole file of one record whose tensors are made as they are written, with this run's provenance.
  /// - Throws: ``StreamError``, ``ToolError``, and what making the tensors throws.
  public func write(_ record: RecordStream, to output: OutputPath) throws {
    guard communicator.isFirst else { return }
    try write(record, into: create(output))
  }

  /// Writes a whole file of one record that takes its place at once, for what a long run leaves on its way: what stops
  /// the run later does not take it back. The file was claimed before the work.
  /// - Throws: ``StreamError``, ``ToolError``.
  public func save(_ record: Record, to path: String) throws {
    guard communicator.isFirst else { return }
    try write(RecordStream(record), into: createFile(path))
  }

  private func write(_ record: RecordStream, into sink: AtomicOutput) throws {
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
    var chain = history
    chain.entries.append(
      Provenance.Entry(
        tool: name, version: toolVersion, arguments: arguments, seed: seed, threads: threads, inputs: inputs,
        settings: settings))
    return [Provenance.key: chain.json]
  }
}
