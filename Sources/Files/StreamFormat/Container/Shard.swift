/// The place of a file among the shards of a whole: what one of several runs has written.
public struct Shard: Codable, Equatable, Sendable {
  /// Which shard it is, from 1.
  public var number: Int
  /// Number of shards of the whole.
  public var count: Int
  /// Number of items that are listed before this shard's: images, also those that were skipped, or rows of features.
  public var first: Int
  /// Number of items that the whole lists.
  public var total: Int

  /// - Precondition: The number is one of the shards, and the first item one of the whole or the end of it.
  public init(number: Int, count: Int, first: Int, total: Int) {
    precondition(1...max(1, count) ~= number && 0...max(0, total) ~= first, "shard \(number) of \(count)")
    (self.number, self.count, self.first, self.total) = (number, count, first, total)
  }

  /// The metadata key.
  public static let key = "shard"
  /// The most shards that a whole may have.
  public static let maximumCount = 1 << 20
  /// The most items that a whole may list.
  public static let maximumTotal = 1 << 48

  /// The shard as metadata.
  public var metadata: [String: String] {
    guard let text = try? sortedJSON(self) else { preconditionFailure("integers always encode") }
    return [Self.key: text]
  }

  /// Which one it is, in words.
  public var words: String { "shard \(number) of \(count)" }
}

extension Record {
  /// The shard that the record is a part of; nil for one of a whole file.
  /// - Throws: ``FormatError`` (badMetadata).
  public func shard() throws -> Shard? {
    guard metadata[Shard.key] != nil else { return nil }
    let shard: Shard = try jsonMetadata(Shard.key)
    guard 1...Shard.maximumCount ~= shard.count, 1...shard.count ~= shard.number,
      0...Shard.maximumTotal ~= shard.total, 0...shard.total ~= shard.first
    else {
      throw badMetadata(
        Shard.key,
        expected:
          "a number from 1 to count, at most \(Shard.maximumCount), and first from 0 to total, at most "
          + "\(Shard.maximumTotal)")
    }
    return shard
  }
}
