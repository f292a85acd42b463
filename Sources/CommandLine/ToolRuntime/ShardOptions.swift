import ArgumentParser
import FoundationEssentials
import Glibc
import StreamFormat

/// The option of tools whose work several runs can share.
public struct ShardOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Do only the i-th of n parts of the work, counted from 1, such as 2/8; 'slurm' takes both numbers from a Slurm array "
        + "job. The outputs of all n, concatenated in order, are that of one run.", valueName: "i/n"),
    transform: { try ShardNumber($0) })
  public var shard: ShardNumber?

  public init() {}

  /// The part of this run: all items, or those of the shard.
  /// - Parameters:
  ///   - total: number of items of the whole.
  ///   - starts: where the batches of the whole begin, ascending from 0, if a shard must have whole batches.
  public func part(of total: Int, batches starts: [Int]? = nil) -> ShardPart {
    guard let shard else { return ShardPart(items: 0..<total, shard: nil) }
    return shard.part(of: total, batches: starts)
  }

  /// The same for batches of one size.
  public func part(of total: Int, batchSize: Int) -> ShardPart {
    part(of: total, batches: Array(stride(from: 0, to: total, by: batchSize)))
  }

  /// What decides what a shard holds besides its inputs, with the seed where it matters, for its provenance: shards of other
  /// settings are no whole. Nil for a run that does everything.
  public func settings(_ fields: [String: any Encodable]) throws -> JSONValue? {
    guard let shard, shard.count > 1 else { return nil }
    return .object(try fields.mapValues { JSONValue(parsing: try sortedJSON($0)) ?? .null })
  }

  /// Stops where a shard is to be made of a file that is a shard itself: the two would not make a whole.
  /// - Throws: ``ToolError`` (bad data).
  public func requireWhole(_ lone: Shard?, of file: String) throws {
    guard shard != nil, let lone else { return }
    throw ToolError(
      .badData, file,
      expected: "all shards, for --shard",
      found: "\(lone.words) alone",
      try: "cat the files of all shards, or leave --shard out")
  }
}

/// What one run does of the whole.
public struct ShardPart: Equatable, Sendable {
  /// The items, counted in the whole.
  public let items: Range<Int>
  /// What the outputs say of it; nil for a run that does everything.
  public let shard: Shard?

  public init(items: Range<Int>, shard: Shard?) { (self.items, self.shard) = (items, shard) }

  /// What the summary says of it.
  public var summary: [String: JSONValue] { shard.map { ["shard": $0.summary] } ?? [:] }
}

extension Shard {
  /// The shard in a summary.
  public var summary: JSONValue {
    [
      "number": .integer(number), "count": .integer(count), "first": .integer(first),
      "total": .integer(total),
    ]
  }
}

/// Which shard of how many, as the user names it.
public struct ShardNumber: Equatable, Sendable {
  /// From 1.
  public let number: Int
  public let count: Int

  /// Reads "2/8", or for "slurm" the variables of an array job.
  /// - Throws: `ValidationError`.
  public init(_ text: String, environment: [String: String] = ProcessInfo.processInfo.environment) throws {
    if text == "slurm" {
      try self.init(slurm: environment)
      return
    }
    let numbers = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count == 2, let number = numbers[0], let count = numbers[1],
      1...Shard.maximumCount ~= count, 1...count ~= number
    else {
      throw ValidationError(
        "expected i/n with i from 1 to n, and n at most \(Shard.maximumCount), such as 2/8, or slurm.")
    }
    self.init(number: number, count: count)
  }

  private init(number: Int, count: Int) { (self.number, self.count) = (number, count) }

  /// The tasks of an array in the order of their numbers, which need not begin at 1.
  private init(slurm environment: [String: String]) throws {
    func integer(_ name: String) throws -> Int? {
      guard let text = environment["SLURM_ARRAY_TASK_" + name] else { return nil }
      guard let value = Int(text), value >= 0 else {
        throw ValidationError("expected a number in SLURM_ARRAY_TASK_\(name); found '\(visible(text))'.")
      }
      return value
    }
    guard let task = try integer("ID"), let count = try integer("COUNT") else {
      throw ValidationError(
        "expected SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT, as a job of 'sbatch --array=1-8' has them; outside of "
          + "one give the numbers, such as 2/8.")
    }
    let (first, step) = (try integer("MIN") ?? 1, max(1, try integer("STEP") ?? 1))
    let (place, rest) = (task - first).quotientAndRemainder(dividingBy: step)
    guard 1...Shard.maximumCount ~= count, 0..<count ~= place, rest == 0 else {
      throw ValidationError(
        "expected an array of \(count) tasks in equal steps from \(first); found task \(task); for a list of tasks, such as "
          + "those that failed, give the numbers of the first array: --shard i/n.")
    }
    self.init(number: place + 1, count: count)
  }

  /// The share of `total` things that is this shard's: the shares of all shards cover them in order, and their sizes
  /// differ by at most one.
  public func range(of total: Int) -> Range<Int> {
    let (size, larger) = total.quotientAndRemainder(dividingBy: count)
    let begin = (number - 1) * size + min(number - 1, larger)
    return begin..<begin + size + (number <= larger ? 1 : 0)
  }

  /// The items of this shard: whole batches, if it is said where the whole has its batches.
  func part(of total: Int, batches starts: [Int]?) -> ShardPart {
    var items = range(of: starts?.count ?? total)
    if let starts {
      let bounds = [items.lowerBound, items.upperBound].map { $0 < starts.count ? starts[$0] : total }
      items = bounds[0]..<bounds[1]
    }
    // One shard of one is the whole, and its file is that of a run without shards.
    let shard =
      count == 1 ? nil : Shard(number: number, count: count, first: items.lowerBound, total: total)
    return ShardPart(items: items, shard: shard)
  }
}
