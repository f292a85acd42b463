import Evaluation
import FoundationEssentials
import Glibc
import StreamFormat
import ToolRuntime

/// What the tool prints: the scores of all images, or those of a shard with the sums that they are means of, which add up to
/// the scores of all images.
struct ScoreSummary: Equatable {
  /// Sums by the name of their mean, such as `loss`, `coarse_loss`, `token_top1`.
  private(set) var sums: [String: MeanSum] = [:]
  /// Number of images scored.
  var images = 0
  /// Of all tokens of the file, in nats.
  var unigramEntropy: Double?
  var shard: Shard?
  /// What a shard was scored with: by this, shards of one whole are told from others. Nil without a shard.
  var scoredWith: [String: JSONValue]?

  /// Adds the scores of a model, whose names get a prefix.
  mutating func add(_ scores: [String: MeanSum], prefix: String = "") {
    for (name, sum) in scores { sums[prefix + name, default: MeanSum()].add(sum) }
  }

  /// Adds the loss of both stages of coarse-to-fine prediction, where both are there: log p(T) = log p(C) + log p(T | C),
  /// since the tokens determine their coarse labels.
  mutating func addJointLoss() {
    guard let coarse = sums["coarse_loss"], let fine = sums["fine_loss"] else { return }
    var joint = fine
    joint.sum.add(coarse.sum)
    sums["joint_loss"] = joint
  }

  // MARK: Forms

  var json: [String: JSONValue] {
    var summary = sums.compactMapValues(\.mean).mapValues { JSONValue.number($0) }
    for prefix in ["", "coarse_", "fine_"] {
      guard let loss = sums[prefix + "loss"]?.mean else { continue }
      summary[prefix + "perplexity"] = .number(exp(loss))
    }
    summary["images"] = .integer(images)
    summary["unigram_entropy"] = unigramEntropy.map { .number($0) }
    guard let shard else { return summary }
    summary["shard"] = shard.summary
    summary["scored_with"] = scoredWith.map { .object($0) }
    summary["sums"] = .object(
      sums.mapValues { ["count": .integer($0.count), "sum": .array($0.sum.terms.map { .number($0) })] })
    return summary
  }

  /// Reads what the tool has printed.
  /// - Returns: nil for any other JSON.
  init?(_ json: JSONValue) {
    guard case .object(let fields) = json, case .integer(let images)? = fields["images"],
      Self.counts ~= images,
      case .object(let sums)? = fields["sums"]
    else { return nil }
    self.images = images
    unigramEntropy = fields["unigram_entropy"]?.double
    for (name, value) in sums {
      guard let sum = MeanSum(value, ofImages: images), sum.mean == fields[name]?.double else { return nil }
      self.sums[name] = sum
    }
    if case .object(let setting)? = fields["scored_with"], !setting.isEmpty { scoredWith = setting }
    guard let place = fields["shard"] else { return }
    guard let shard = Shard(summary: place) else { return nil }
    self.shard = shard
  }

  init() {}

  /// Counts that a summary may have: those of all shards add up to an integer.
  fileprivate static let counts = 0...1 << 42
}

extension MeanSum {
  /// Larger than any loss; numbers below it add up to a number.
  private static let limit = 1e200

  /// Reads a sum over positions of images, of which each has equally many.
  fileprivate init?(_ json: JSONValue, ofImages images: Int) {
    guard case .object(let fields) = json, case .integer(let count)? = fields["count"],
      ScoreSummary.counts ~= count, images == 0 ? count == 0 : count > 0 && count % images == 0,
      case .array(let terms)? = fields["sum"]
    else { return nil }
    let numbers = terms.compactMap(\.double).filter { abs($0) < Self.limit }
    guard numbers.count == terms.count else { return nil }
    self.init(sum: UnroundedSum(numbers), count: count)
  }
}

extension JSONValue {
  /// The value of a number.
  fileprivate var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .large(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }
}

extension Shard {
  fileprivate init?(summary: JSONValue) {
    guard case .object(let fields) = summary, case .integer(let number)? = fields["number"],
      case .integer(let count)? = fields["count"], case .integer(let first)? = fields["first"],
      case .integer(let total)? = fields["total"], count >= 1, 1...count ~= number, total >= 0,
      0...total ~= first
    else { return nil }
    self.init(number: number, count: count, first: first, total: total)
  }
}

// MARK: - Several shards

extension ScoreSummary {
  /// Adds up the summaries of shards: one per line, each shard once and in order.
  /// - Throws: `ToolError` (bad data) for a line that is no such summary, `FormatError` (shardMismatch).
  init(mergedFrom input: InputPath, _ session: ToolSession) throws {
    let source = try input.open()
    let lines = String(decoding: try source.readAll(), as: UTF8.self).split(whereSeparator: \.isNewline)
    var sequence = ShardSequence()
    for (index, line) in lines.enumerated() {
      guard
        let part = (try? decodeStrictJSON(JSONValue.self, from: Array(line.utf8))).flatMap({
          ScoreSummary($0)
        }),
        let shard = part.shard
      else {
        throw ToolError(
          .badData, "\(input.path): line \(index + 1)",
          expected: "the summary of a shard, with \"shard\", and \"sums\" that its means are of",
          found: "'\(visible(shortened(String(line), to: 80)))'",
          try: "what score-tokens --shard has printed")
      }
      guard index == 0 || shard.number > 1 else {
        throw ToolError(
          .badData, "\(input.path): line \(index + 1)", expected: "the shards of one run, each once",
          found: "shard 1 once more", try: "the lines of shards 1 to \(shard.count)")
      }
      let origin = Origin(file: input.path, record: index)
      try sequence.add(shard, listed: part.images, at: origin)
      try sequence.close(at: origin)
      if index > 0 { try requireSameWhole(as: part, at: "\(input.path): line \(index + 1)") }
      add(part.sums)
      images += part.images
      (unigramEntropy, scoredWith) = (part.unigramEntropy, part.scoredWith)
    }
    if !lines.isEmpty, scoredWith == nil {
      session.warn(
        "\(input.path): no line says what its scores are of: they may be of other models or tokens")
    }
    scoredWith = nil
    guard !lines.isEmpty, try sequence.finish(at: Origin(file: input.path, record: lines.count)) == nil else {
      throw ToolError(
        .badData, input.path,
        expected: "the summaries of all shards, one per line",
        found: "\(lines.count)",
        try: "cat them in order")
    }
  }

  /// Stops at a shard of another whole.
  private func requireSameWhole(as part: ScoreSummary, at line: String) throws {
    func refuse(_ expected: String, _ found: String, _ remedy: String) -> ToolError {
      ToolError(.badData, line, expected: expected, found: found, try: remedy)
    }
    if part.scoredWith != scoredWith {
      let (others, own) = (part.scoredWith ?? [:], scoredWith ?? [:])
      let name = Set(others.keys).union(own.keys).sorted().first { others[$0] != own[$0] } ?? ""
      func shown(_ setting: [String: JSONValue]) -> String {
        "\(name) " + ((try? setting[name].map { try sortedJSON($0) }) ?? "unknown")
      }
      throw refuse(
        "\(shown(own)), as in line 1", shown(others),
        "score all shards of the same tokens with the same models and options")
    }
    // Each run has read the whole file.
    guard part.unigramEntropy == unigramEntropy else {
      throw refuse(
        "the unigram entropy of line 1, \(unigramEntropy ?? 0)", "\(part.unigramEntropy ?? 0)",
        "score the same tokens in each shard")
    }
    guard part.images == 0 || images == 0 || part.sums.keys == sums.keys else {
      throw refuse(
        "the sums \(sums.keys.sorted().joined(separator: ", ")), as before", "others",
        "score all shards with the same options")
    }
  }
}
