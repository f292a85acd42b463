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
    var tensors = Self.tensors(store, optimizer)
    if let average { tensors += store.storedTensors(values: average.values, prefix: "average.") }
    if let opposing = task.discriminator, let discriminatorOptimizer {
      tensors += Self.tensors(opposing, discriminatorOptimizer, prefix: Self.discriminatorPrefix)
    }
    let metadata = ["step": String(optimizer.stepCount), "settings": try task.settings.json()]
    return Record(kind: .checkpoint, metadata: metadata, tensors: tensors + task.state)
  }

  private static let discriminatorPrefix = "discriminator."

  /// Parameters and moments.
  private static func tensors(
    _ store: ParameterStore, _ optimizer: Optimizer, prefix: String = ""
  ) -> [StoredTensor] {
    store.storedTensors(prefix: prefix + "parameter.")
      + store.storedTensors(values: optimizer.moments.map(\.first), prefix: prefix + "first_moment.")
      + store.storedTensors(values: optimizer.moments.map(\.second), prefix: prefix + "second_moment.")
  }

  private static func load(
    _ record: Record, _ store: ParameterStore, _ optimizer: Optimizer, prefix: String = ""
  ) throws {
    try store.load(record, prefix: prefix + "parameter.")
    try store.load(record, prefix: prefix + "first_moment.", into: optimizer.moments.map(\.first))
    try store.load(record, prefix: prefix + "second_moment.", into: optimizer.moments.map(\.second))
  }

  /// Takes the state of a checkpoint over, from which ``run(from:)`` then goes on.
  /// - Throws: `TrainingError.settingsChanged`, and `FormatError` for a checkpoint that is damaged or of another version.
  public func restore(_ record: Record) throws {
    try record.require(kind: .checkpoint)
    try requireOwnSettings(of: record)
    try Self.load(record, task.store, optimizer)
    if let average { try task.store.load(record, prefix: "average.", into: average.values) }
    if let opposing = task.discriminator, let discriminatorOptimizer {
      try Self.load(record, opposing, discriminatorOptimizer, prefix: Self.discriminatorPrefix)
    }
    try task.restore(record)
    optimizer.stepCount = try record.integerMetadata("step", in: 0...options.steps)
    discriminatorOptimizer?.stepCount = optimizer.stepCount
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
    guard SettingValue(object: saved) != nil else {
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
