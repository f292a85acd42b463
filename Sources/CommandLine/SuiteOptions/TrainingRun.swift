import Foundation
import StreamFormat
import TensorCore
import ToolRuntime
import Training

/// The results of a training run, for its report.
public struct TrainingOutcome {
  /// The last scoring of the held-out images.
  public let scores: [String: Double]
  /// The tensors to save, in parameter order.
  public let values: [Tensor]
  /// Seconds taken by the steps of this run, without those before a resume.
  public let seconds: Double
  /// Steps that this run took itself: fewer than asked for after a resume.
  public let steps: Int
  /// The checkpoint, which is not needed once the product is in its place.
  let checkpoint: OwnedFile?
}

extension ToolSession {
  /// Runs the training loop for a tool: checkpoints in a file, values in the log, progress on standard error.
  /// - Parameter output: the product's path; the checkpoint stands beside it unless `--checkpoint` names
  ///   another path.
  /// - Throws: `TrainingError`, `FormatError`, `StreamError`.
  public func train(
    _ task: any TrainingTask, _ command: TrainingCommandOptions, output: OutputPath
  ) throws -> TrainingOutcome {
    let file = try checkpointFile(command, output)
    try requireCreatable(output)
    let checkpoint = try command.resume ? readCheckpoint(file) : nil
    try file?.requireReplaceable()
    let first = try checkpoint.map { try TrainingLoop.step(of: $0) } ?? 0
    if checkpoint != nil { say("\(file?.path ?? ""): going on after step \(first)") }
    settings = JSONValue(parsing: try task.settings.json())
    let progress = progress("steps", total: command.steps - first)
    let events = TrainingEvents(
      saveCheckpoint: { [self] record in
        if let file { try saveCheckpoint(record, file) }
      },
      log: { [self] step, values in
        try log(values.mapValues { .number($0) }.merging(["step": .integer(step)]) { $1 })
        if let loss = values["loss"] { progress.advance(detail: String(format: "loss %.4f", loss)) }
      },
      isInterrupted: { [self] in interruption.isRaised })
    let loop = TrainingLoop(task, events: events)
    try naming(file?.path) { try checkpoint.map { try loop.restore($0) } }
    // Only now: a run that is refused leaves the log as it was.
    try rewindLog(to: first)
    let start = ContinuousClock.now
    let (scores, values) = try loop.run()
    progress.finish()
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    return TrainingOutcome(
      scores: scores, values: values, seconds: seconds, steps: command.steps - first,
      checkpoint: command.keepCheckpoint ? nil : file)
  }

  /// Puts the product in its place and then removes the checkpoint.
  /// - Throws: `StreamError`.
  public func finishTraining(_ outcome: TrainingOutcome) throws {
    try commitOutputs()
    outcome.checkpoint?.remove()
  }

  private func checkpointFile(_ command: TrainingCommandOptions, _ output: OutputPath) throws -> OwnedFile? {
    if let path = command.checkpointPath(besides: output) { return try OwnedFile(path: path, session: self) }
    guard !command.resume else {
      throw ToolError(.usage, "--resume: expected a checkpoint; found the output '-'; try: --checkpoint FILE")
    }
    return nil
  }

  /// Adds the file name of the checkpoint to an error of the loop, which does not know any files.
  private func naming<Result>(_ path: String?, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as TrainingError {
      guard case .settingsChanged = error, let path else { throw error }
      throw ToolError(error.exitCode, "\(path): \(error)")
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
