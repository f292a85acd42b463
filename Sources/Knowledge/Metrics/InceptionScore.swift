import Glibc
import TensorCore

/// Inception score: exp of the mean Kullback-Leibler divergence of p(y|x) from p(y), mean and spread over splits
/// of the images.
public struct InceptionScore: Sendable, Equatable {
  /// Which images go into a split.
  public enum SplitOrder: Sendable, Equatable {
    /// Random ones, drawn by a seed: the score does not depend on whether images lie class after class.
    case random(seed: UInt64)
    /// Consecutive ones, as published code takes them. Images that lie class after class score far too low.
    case file
  }

  /// Mean over the splits.
  public let mean: Double
  /// Standard deviation over the splits (divided by their number); 0 for one split.
  public let standardDeviation: Double

  /// - Parameters:
  ///   - logits: [n, classes], without the last layer's bias where the network is Inception.
  ///   - splits: parts of n / splits images; sizes differ by 1 at most.
  /// - Throws: `MetricsError.tooFewImages` for fewer images than splits, `.notFinite`.
  public init(
    logits: FeatureMatrix, splits: Int = 1, order: SplitOrder = .random(seed: 0)
  ) throws(MetricsError) {
    precondition(splits >= 1, "InceptionScore: \(splits) splits")
    try require(splits, for: "inception score of \(splits) splits", found: logits.count)
    try logits.requireFinite()
    let n = logits.count
    var rows = Array(0..<n)
    if case .random(let seed) = order, splits > 1 {
      // The last index of this purpose: the subsets of the extrapolated distance have the first ones.
      var random = CounterRandom(seed: seed, purpose: .metricSubsets, index: .max)
      rows = random.permutation(n)
    }
    let scores = (0..<splits).map { Self.score(logits, rows[n * $0 / splits..<n * ($0 + 1) / splits]) }
    let mean = scores.reduce(0, +) / Double(splits)
    self.mean = mean
    standardDeviation = (scores.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(splits)).squareRoot()
  }

  /// exp(mean over x of sum p log p - sum of q log q), q being the mean of p: the divergence with its two
  /// sums taken apart.
  private static func score(_ logits: FeatureMatrix, _ rows: ArraySlice<Int>) -> Double {
    var marginal = [Double](repeating: 0, count: logits.dimension)
    var negativeEntropy = 0.0
    for row in rows {
      let values = Array(logits[row])
      let largest = values.max() ?? 0
      let logSum = largest + log(values.reduce(0) { $0 + exp($1 - largest) })
      for (k, value) in values.enumerated() {
        let probability = exp(value - logSum)
        marginal[k] += probability
        negativeEntropy += probability * (value - logSum)
      }
    }
    let count = Double(rows.count)
    let marginalEntropy = marginal.reduce(0) { $1 > 0 ? $0 - $1 / count * log($1 / count) : $0 }
    return exp(negativeEntropy / count + marginalEntropy)
  }

  /// Whether images that look alike to the network lie together, as they do class after class: far more neighbours have
  /// the same most probable class than in a random order.
  public static func isInClassOrder(_ logits: FeatureMatrix) -> Bool {
    let classes = (0..<logits.count).map { row in
      let values = logits[row]
      return values.indices.max { values[$0] < values[$1] }.map { $0 - values.startIndex } ?? 0
    }
    let together = Double(zip(classes, classes.dropFirst()).count { $0 == $1 })
    let sizes = Dictionary(classes.map { ($0, 1.0) }, uniquingKeysWith: +).values
    let expected = sizes.reduce(0) { $0 + $1 * ($1 - 1) } / Double(max(1, classes.count))
    // The number has a standard deviation of about the root of what is expected.
    return together > expected + 8 * (expected + 1).squareRoot()
  }
}
