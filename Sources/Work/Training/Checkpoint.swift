import NeuralNet
import StreamFormat

// Saving the state of a run, and taking it over again.

extension TrainingLoop {
  func savePending() throws {
    guard let record = pending else { return }
    pending = nil
    try events.saveCheckpoint(record)
    lastCheckpoint = try Self.step(of: record)
  }

  func snapshot() throws -> Record {
    let store = task.store
    var tensors = store.storedTensors(prefix: "parameter.")
    tensors += store.storedTensors(values: optimizer.moments.map(\.first), prefix: "first_moment.")
    tensors += store.storedTensors(values: optimizer.moments.map(\.second), prefix: "second_moment.")
    if let average { tensors += store.storedTensors(values: average.values, prefix: "average.") }
    let metadata = ["step": String(optimizer.stepCount), "settings": try task.settings.json()]
    return Record(kind: .checkpoint, metadata: metadata, tensors: tensors + task.state)
  }

  /// Takes the state of a checkpoint over, from which ``run(from:)`` then goes on.
  /// - Throws: `TrainingError.settingsChanged`, and `FormatError` for a checkpoint that is damaged or of another version.
  public func restore(_ record: Record) throws {
    try record.require(kind: .checkpoint)
    try requireOwnSettings(of: record)
    let store = task.store
    try store.load(record, prefix: "parameter.")
    try store.load(record, prefix: "first_moment.", into: optimizer.moments.map(\.first))
    try store.load(record, prefix: "second_moment.", into: optimizer.moments.map(\.second))
    if let average { try store.load(record, prefix: "average.", into: average.values) }
    try task.restore(record)
    optimizer.stepCount = try record.integerMetadata("step", in: 0...options.steps)
    lastCheckpoint = optimizer.stepCount
  }

  private func requireOwnSettings(of record: Record) throws {
    guard let saved = record.metadata["settings"],
      (try? record.jsonMetadata("settings", as: [String: String].self)) == nil
    else {
      throw FormatError(
        .badMetadata, at: record.origin, expected: "settings as this version of the tool writes them",
        found: "those of an earlier version",
        hint: "remove the checkpoint and start from the beginning, or finish the run with that version")
    }
    guard SettingDifference.object(saved) != nil else {
      throw FormatError(
        .badMetadata, at: record.origin, expected: "settings as a JSON object",
        found: "'\(saved.prefix(80))'",
        hint: "remove the checkpoint and start from the beginning")
    }
    guard let difference = SettingDifference(checkpoint: saved, now: try task.settings.json()) else { return }
    throw TrainingError.settingsChanged(
      name: difference.name, checkpoint: difference.checkpoint, now: difference.now)
  }

  /// The step a checkpoint was saved after.
  /// - Throws: `FormatError`.
  public static func step(of checkpoint: Record) throws -> Int { try checkpoint.integerMetadata("step") }
}
