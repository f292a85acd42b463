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
  private var isOpen = false

  public init() {}

  /// Adds a record to the part that is open, or opens one.
  /// - Parameter listed: how many items were listed for the record.
  /// - Throws: ``FormatError`` (shardMismatch).
  public mutating func add(_ shard: Shard?, listed: Int, at origin: Origin) throws {
    if !isOpen {
      try requireNext(shard, at: origin)
      (current, isOpen, end) = (shard, true, shard?.first ?? 0)
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
        at: origin, hint: "make all shards anew by one version of the inputs and options")
    }
  }

  private func words(_ shard: Shard?) -> String { shard?.words ?? "a part that is no shard" }

  private func mismatch(
    _ expected: String, _ found: String, at origin: Origin,
    hint: String =
      "cat the files of all shards, each once, in the order of their numbers (by name, -10 comes before -2)"
  ) -> FormatError {
    FormatError(.shardMismatch, at: origin, expected: expected, found: found, hint: hint)
  }
}
