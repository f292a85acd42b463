/// Checks that shards which follow one another are those of a whole: 1 to n, each once and in order. Several wholes may
/// follow one another, and parts that are no shards may stand between them. A shard that is alone may be any.
public struct ShardSequence {
  /// Parts with at least one record that were closed.
  private var partCount = 0
  /// The shard of the last closed part.
  private var previous: Shard?
  /// Items that were listed up to the end of that part.
  private var end = 0
  private var current: Shard?
  /// How the open part, or the last closed one, was made.
  private var run: ShardedRun?
  private var isOpen = false

  public init() {}

  /// Adds a record to the part that is open, or opens one.
  /// - Parameters:
  ///   - listed: how many items were listed for the record.
  ///   - metadata: the record's strings, which are those of the shard before.
  /// - Throws: ``FormatError`` (shardMismatch).
  public mutating func add(
    _ shard: Shard?, listed: Int, metadata: [String: String] = [:], at origin: Origin
  ) throws {
    if !isOpen {
      try requireNext(shard, at: origin)
      let run = shard.map { _ in ShardedRun(metadata) }
      if let shard, shard.number > 1 { try requireSame(run, shard, at: origin) }
      let isLater = shard.map { $0.number > 1 } ?? false
      (current, isOpen, end) = (shard, true, shard?.first ?? 0)
      self.run = isLater ? run?.following(self.run) : run
    }
    guard shard == current else {
      throw mismatch(words(current) + ", as in the record before", words(shard), at: origin)
    }
    // Sums of sizes in a file may be anything.
    end = end.addingReportingOverflow(listed).partialValue
  }

  /// Closes the part, as an end mark does.
  /// - Throws: ``FormatError`` (shardMismatch) where the last shard does not reach the end of the whole.
  public mutating func close(at origin: Origin) throws {
    guard isOpen else { return }
    if let current, current.number == current.count ? end != current.total : end > current.total {
      throw mismatch(
        "items \(current.first) to \(current.total) of the whole in \(current.words)",
        "\(end &- current.first) items", at: origin)
    }
    (previous, current, isOpen) = (current, nil, false)
    partCount += 1
  }

  /// Checks that the file may end here.
  /// - Returns: the shard that the whole file is; nil where it is complete.
  /// - Throws: ``FormatError`` (shardMismatch) for shards that are not all there.
  public mutating func finish(at origin: Origin) throws -> Shard? {
    try close(at: origin)
    guard let previous, previous.number < previous.count || partCount == 1 && previous.number > 1 else {
      return nil
    }
    guard partCount == 1 else {
      throw mismatch("shard \(previous.number + 1) of \(previous.count)", "the end of the file", at: origin)
    }
    return previous
  }

  /// Checks that a part may begin with a shard.
  private func requireNext(_ shard: Shard?, at origin: Origin) throws {
    // Whatever comes first may be alone.
    if partCount == 0 { return }
    if partCount == 1, let previous, previous.number > 1 {
      throw mismatch("shard 1 of \(previous.count) before \(previous.words)", "no part before it", at: origin)
    }
    guard let previous, previous.number < previous.count else {
      if let shard, shard.number > 1 {
        throw mismatch("shard 1 of \(shard.count)", shard.words, at: origin)
      }
      return
    }
    guard let shard, shard.number == previous.number + 1, shard.count == previous.count else {
      throw mismatch("shard \(previous.number + 1) of \(previous.count)", words(shard), at: origin)
    }
    guard shard.total == previous.total, shard.first == end else {
      throw mismatch(
        "\(shard.words) to begin at item \(end) of \(previous.total)",
        "item \(shard.first) of \(shard.total)",
        at: origin, hint: Self.anew)
    }
  }

  /// Checks that a shard was made as the one before it was.
  private func requireSame(_ next: ShardedRun?, _ shard: Shard, at origin: Origin) throws {
    guard let run, let next, let difference = run.difference(to: next) else { return }
    throw mismatch(
      "\(shard.words) to have the \(difference.name) of the shard before, \(difference.here)",
      difference.there,
      at: origin, hint: Self.anew)
  }

  private static let anew = "make all shards anew by one version of the inputs and options"

  private func words(_ shard: Shard?) -> String { shard?.words ?? "a part that is no shard" }

  private func mismatch(
    _ expected: String, _ found: String, at origin: Origin,
    hint: String =
      "cat the files of all shards, each once, in the order of their numbers (by name, -10 comes before -2)"
  ) -> FormatError {
    FormatError(.shardMismatch, at: origin, expected: expected, found: found, hint: hint)
  }
}
