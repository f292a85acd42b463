import FoundationEssentials
import Glibc
import StreamFormat
import TensorCore
import ToolRuntime
import Training

/// The results of a training run, for its report.
public struct TrainingOutcome {
  /// The last scoring of the held-out images.
  public let scores: [String: Double]
  /// Seconds taken by the steps of this run, without those before a resume.
  public let seconds: Double
  /// Steps that this run took itself: fewer than asked for after a resume.
  public let steps: Int
  /// What its gradients have taken between ranks; nil for one process.
  public let communication: CommunicationCost?
}

extension ToolSession {
  /// Runs the training loop for a tool: checkpoints in a file, values in the log, progress on standard error, models
  /// beside the output. The product takes its place, and the checkpoint goes, when the run is reported.
  /// - Parameters:
  ///   - output: the product's path; the checkpoint stands beside it unless `--checkpoint` names another path.
  ///   - record: the model as a file's record, with these values of its parameters.
  /// - Throws: `TrainingError`, `FormatError`, `StreamError`, and what `record` throws.
  public func train(
    _ task: any TrainingTask, _ command: TrainingCommandOptions, output: OutputPath,
    record: @escaping ([Tensor]) throws -> Record
  ) throws -> TrainingOutcome {
    try requireEqualRanks(command, output)
    let steps = task.settings.training.steps
    let savedSteps = try command.saving.savedSteps(through: steps, besides: output)
    let saved = savedSteps.steps(through: steps).map { SavingOptions.path(of: $0, besides: output.path) }
    try claim(saved.map { ClaimedFile(name: command.saving.optionName, path: $0, role: .savedModel) })
    let file = try checkpointFile(command, output)
    try requireCreatable(output)
    let checkpoint = try command.resume ? readCheckpoint(file) : nil
    try file?.requireReplaceable()
    let first = try checkpoint.map { try TrainingLoop.step(of: $0) } ?? 0
    if let checkpoint { try sayWhatGoesOn(checkpoint, in: file?.path ?? "", after: first) }
    if command.estimate { try finishEstimate(of: task, from: checkpoint, in: file?.path, after: first) }
    settings = JSONValue(parsing: try task.settings.json())
    let progress = progress("steps", total: steps - first)
    let events = TrainingEvents(
      saveCheckpoint: { [self] record in
        if let file { try saveCheckpoint(record, file) }
      },
      savedSteps: savedSteps,
      saveModel: { [self] step, values in
        var model = try record(values)
        model.metadata["step"] = String(step)
        try save(model, to: SavingOptions.path(of: step, besides: output.path))
      },
      log: { [self] step, values in
        var line = values.mapValues { JSONValue.number($0) }
        for (name, count) in task.seen(after: step) { line[name] = .integer(count) }
        line["step"] = .integer(step)
        try log(line)
        if let loss = values["loss"] { progress.advance(detail: "loss " + printed("%.4f", loss)) }
      },
      isInterrupted: { [self] in interruption.isRaised })
    let start = ContinuousClock.now
    let clock: @Sendable () -> Double = { (ContinuousClock.now - start) / .seconds(1) }
    let loop = TrainingLoop(task, events: events, communicator: communicator, clock: clock)
    try naming(file?.path) { try checkpoint.map { try loop.restore($0) } }
    // Only now: a run that is refused leaves the log as it was.
    try rewindLog(to: first)
    let begin = clock()
    let (scores, values) = try loop.run()
    progress.finish()
    let seconds = clock() - begin
    try write(record(values), to: output)
    if !command.keepCheckpoint { whenInPlace { file?.remove() } }
    return TrainingOutcome(
      scores: scores, seconds: seconds, steps: steps - first,
      communication: communicator.count > 1 ? loop.communication : nil)
  }

  /// Says where the run goes on, and what will not be as in an uninterrupted one.
  private func sayWhatGoesOn(_ checkpoint: Record, in file: String, after step: Int) throws {
    say("\(file): going on after step \(step)")
    // Without provenance nobody knows.
    guard let before = try Provenance(checkpoint).entries.last?.threads, before != threads else { return }
    say(
      "\(file): made by --threads \(before); with \(threads) the last bits are not those of an uninterrupted run"
    )
  }

  /// Stops where the ranks were told to end in different ways or to write to different places. The loop compares the rest.
  private func requireEqualRanks(_ command: TrainingCommandOptions, _ output: OutputPath) throws {
    let checkpoint = command.checkpointPath(besides: output) ?? "none"
    let own = "\(command.estimate) \(command.resume) \(output.path) \(checkpoint)"
    let all = communicator.gather([UInt8](own.utf8))
    if let rank = all.firstIndex(where: { $0 != all[0] }) { throw TrainingError.ranksDiffer(rank: rank) }
  }

  /// Takes a few steps to say how long all would take, and ends the run.
  private func finishEstimate(
    of task: any TrainingTask, from checkpoint: Record?, in file: String?, after first: Int
  ) throws -> Never {
    struct Enough: Error {}
    let left = task.settings.training.steps - first
    var (times, last) = ([Double](), ContinuousClock.now)
    let events = TrainingEvents(
      saveCheckpoint: { _ in },
      log: { [self] _, values in
        // Scores of held-out images come here too; their time is not that of a step.
        if values["gradient_norm"] != nil { times.append((ContinuousClock.now - last) / .seconds(1)) }
        last = .now
        // Ranks take the same number of steps: each would wait for ever for one that stopped before.
        let isLong = communicator.count == 1 && times.count > 1 && times.reduce(0, +) > 30
        if times.count == min(left, 5) || isLong { throw Enough() }
      }, isInterrupted: { [self] in interruption.isRaised })
    let begin = last
    let clock: @Sendable () -> Double = { (ContinuousClock.now - begin) / .seconds(1) }
    let loop = TrainingLoop(task, events: events, communicator: communicator, clock: clock)
    try naming(file) { try checkpoint.map { try loop.restore($0) } }
    guard left > 0 else { try finishWithEstimate() }
    last = .now
    do {
      _ = try loop.run()
    } catch is Enough {}
    var measured = MeasuredSteps(times: times, steps: left)
    if communicator.count > 1 { measured.further = loop.communication.fields(steps: times.count) }
    try finishWithEstimate(measured)
  }

  private func checkpointFile(_ command: TrainingCommandOptions, _ output: OutputPath) throws -> OwnedFile? {
    if let path = command.checkpointPath(besides: output) { return try OwnedFile(path: path, session: self) }
    guard !command.resume else {
      throw ToolError(
        .usage, "--resume",
        expected: "a checkpoint",
        found: "the output '-'",
        try: "--checkpoint FILE")
    }
    return nil
  }

  /// Adds the file name of the checkpoint to an error of the loop, which does not know any files.
  private func naming<Result>(_ path: String?, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as TrainingError {
      guard case .settingsChanged = error, let path else { throw error }
      throw ToolError(error, at: path)
    }
  }

  private func readCheckpoint(_ file: OwnedFile?) throws -> Record? {
    guard let file, file.exists else {
      say("no checkpoint yet: starting from the beginning")
      return nil
    }
    let reader = RecordReader(try file.open())
    let record = try reader.next()
    // Reading to the end verifies the end mark. A checkpoint without one is incomplete.
    guard let record, try reader.next() == nil else {
      throw FormatError(
        .streamMismatch, at: Origin(file: file.path), expected: "a checkpoint, which is one record",
        found: record == nil ? "no record" : "a second one", hint: "remove it, and start from the beginning")
    }
    try record.require(kind: .checkpoint)
    return record
  }

  private func saveCheckpoint(_ record: Record, _ file: OwnedFile) throws {
    try file.replace { sink in
      // The fastest level: a checkpoint is read once at most.
      let writer = RecordWriter(sink, compressionLevel: 1)
      try writer.write(record)
      try writer.finish()
    }
  }

  /// Cuts the log back to the steps that the checkpoint knows of; the run writes the others again.
  private func rewindLog(to step: Int) throws {
    guard step > 0 else { return }
    struct Line: Decodable { var step: Int }
    try continueLog {
      guard let line = try? JSONDecoder().decode(Line.self, from: Data($0.utf8)) else { return false }
      return line.step <= step
    }
  }
}
