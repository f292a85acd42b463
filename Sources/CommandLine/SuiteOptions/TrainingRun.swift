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
}

extension ToolSession {
  /// Runs the training loop for a tool: checkpoints in a file, values in the log, progress on standard error.
  /// - Parameter output: the product's path; the checkpoint stands beside it unless `--checkpoint` names
  ///   another path.
  /// - Throws: `TrainingError`, `FormatError`, `StreamError`.
  public func train(
    _ task: any TrainingTask, _ command: TrainingCommandOptions, settings: [String: String],
    output: OutputPath
  ) throws -> TrainingOutcome {
    let path = try checkpointPath(command, output)
    try requireCreatable(output)
    try path.flatMap { OutputPath(argument: $0) }.map { try requireCreatable($0) }
    let checkpoint = try command.resume ? readCheckpoint(path) : nil
    let first = try checkpoint.map { try TrainingLoop.step(of: $0) } ?? 0
    if checkpoint != nil { say("\(path ?? ""): going on after step \(first)") }
    try rewindLog(to: first)
    let progress = progress("steps", total: command.steps - first)
    let events = TrainingEvents(
      saveCheckpoint: { [self] record in
        guard let path else { return }
        try saveCheckpoint(record, path)
      },
      log: { [self] step, values in
        try log(values.mapValues { .number($0) }.merging(["step": .integer(step)]) { $1 })
        if let loss = values["loss"] { progress.advance(detail: String(format: "loss %.4f", loss)) }
      },
      isInterrupted: { [self] in interruption.isRaised })
    let loop = try TrainingLoop(task, options: command.options, settings: settings, events: events)
    let start = ContinuousClock.now
    let (scores, values) = try naming(path) { try loop.run(from: checkpoint) }
    progress.finish()
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    return TrainingOutcome(scores: scores, values: values, seconds: seconds, steps: command.steps - first)
  }

  /// Removes the checkpoint once the product is in place.
  public func finishTraining(_ command: TrainingCommandOptions, output: OutputPath) throws {
    if let path = try checkpointPath(command, output), !command.keepCheckpoint { unlink(path) }
  }

  private func checkpointPath(_ command: TrainingCommandOptions, _ output: OutputPath) throws -> String? {
    if let path = command.checkpoint { return path }
    guard output.isStandardOutput else { return output.path + ".checkpoint" }
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

  private func readCheckpoint(_ path: String?) throws -> Record? {
    guard let path, FileManager.default.fileExists(atPath: path) else {
      say("no checkpoint yet: starting from the beginning")
      return nil
    }
    let reader = RecordReader(try FileSource(path: path))
    let record = try reader.next()
    // Reading to the end verifies the end mark. A checkpoint without one is incomplete.
    guard let record, try reader.next() == nil else {
      throw FormatError(
        .streamMismatch, at: Origin(file: path), expected: "a checkpoint, which is one record",
        found: record == nil ? "no record" : "a second one", hint: "remove it, and start from the beginning")
    }
    try record.require(kind: .checkpoint)
    return record
  }

  private func saveCheckpoint(_ record: Record, _ path: String) throws {
    let sink = try createFile(path)
    // The fastest level: a checkpoint is read once at most.
    let writer = RecordWriter(sink, compressionLevel: 1)
    try writer.write(record)
    try writer.finish()
    try sink.commit()
  }

  /// Cuts the log back to the steps that the checkpoint knows of; the run writes the others again.
  private func rewindLog(to step: Int) throws {
    guard step > 0, let path = options.log, let text = try? String(contentsOfFile: path, encoding: .utf8)
    else {
      return
    }
    struct Line: Decodable { var step: Int }
    let kept = text.split(separator: "\n").filter {
      guard let line = try? JSONDecoder().decode(Line.self, from: Data($0.utf8)) else { return false }
      return line.step <= step
    }
    let sink = try createFile(path)
    try sink.write(text: kept.map { $0 + "\n" }.joined())
    try sink.commit()
    // The log was opened before the run; the file that now has its name is another one.
    try openLog()
    continueLog()
  }
}
