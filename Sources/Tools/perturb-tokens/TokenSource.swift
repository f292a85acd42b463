import Datasets
import StreamFormat
import ToolRuntime

/// The batches of a token file one by one, or of the part of it that is the shard of a run.
final class TokenSource {
  /// The part of this run; nil where it does everything.
  let part: ShardPart?
  private let reader: TokenReader
  private var whole: TokenDataset?
  private var place: Int?

  /// - Throws: `FormatError`, `StreamError`, and `ToolError` (bad data) for a file that is a shard itself.
  init(_ reader: TokenReader, _ sharding: ShardOptions, of file: String) throws {
    self.reader = reader
    guard sharding.shard != nil else {
      part = nil
      return
    }
    // How many images there are, and with it where the shard begins, is known at the end of the file.
    let whole = try TokenDataset(reader)
    try sharding.requireWhole(whole.shard, of: file)
    let part = sharding.part(of: whole.listedCount)
    (self.whole, self.part, place) = (whole, part, part.items.lowerBound)
  }

  /// The next batch, and the place of its first image among those that were listed for the whole; nil at the end.
  func next() throws -> (batch: TokenBatch, first: Int)? {
    if let part, let whole, let place {
      let places = place..<min(place + 1024, part.items.upperBound)
      self.place = places.upperBound
      return places.isEmpty ? nil : (whole.part(places), place)
    }
    guard let batch = try reader.next() else { return nil }
    let first = place ?? batch.shard?.first ?? 0
    place = first + batch.listedCount
    return (batch, first)
  }
}
