import Glibc

/// How often each code of a codebook was used, over a whole set of images.
public struct CodeUsage: Sendable, Equatable {
  /// Uses of each code.
  public private(set) var counts: [Int]

  /// - Parameter codes: size of the codebook.
  public init(codes: Int) { counts = [Int](repeating: 0, count: codes) }

  /// Counts tokens; each must be below the size of the codebook.
  public mutating func add(_ tokens: some Sequence<some BinaryInteger>) {
    for token in tokens { counts[Int(token)] += 1 }
  }

  /// Tokens counted.
  public var total: Int { counts.reduce(0, +) }

  /// Share of the codes that occur, from 0 to 1.
  public var usedFraction: Double {
    counts.isEmpty ? 0 : Double(counts.count { $0 > 0 }) / Double(counts.count)
  }

  /// Entropy of the distribution of codes, in nats: the loss of the best model that sees no context.
  public var entropy: Double {
    let total = Double(total)
    return counts.reduce(0) { sum, count in
      count == 0 ? sum : sum - Double(count) / total * log(Double(count) / total)
    }
  }

  /// exp(entropy): the number of equally likely codes that would be as hard to guess. 1 with no tokens.
  public var perplexity: Double { exp(entropy) }

  /// Codes used fewer than `minimum` times.
  public func deadCodes(below minimum: Int = 1) -> [Int] { counts.indices.filter { counts[$0] < minimum } }
}
