import Glibc

/// Inception score: exp of the mean Kullback-Leibler divergence of p(y|x) from p(y), mean and spread over splits
/// of the images in their order.
public struct InceptionScore: Sendable, Equatable {
  /// Mean over the splits.
  public let mean: Double
  /// Standard deviation over the splits (divided by their number); 0 for one split.
  public let standardDeviation: Double

  /// - Parameters:
  ///   - logits: [n, classes], without the last layer's bias where the network is Inception.
  ///   - splits: parts of n / splits consecutive images; sizes differ by 1 at most.
  /// - Throws: `MetricsError.tooFewImages` for fewer images than splits, `.notFinite`.
  public init(logits: FeatureMatrix, splits: Int = 1) throws(MetricsError) {
    precondition(splits >= 1, "InceptionScore: \(splits) splits")
    try require(splits, for: "inception score of \(splits) splits", found: logits.count)
    try logits.requireFinite()
    let n = logits.count
    let scores = (0..<splits).map { Self.score(logits, n * $0 / splits..<n * ($0 + 1) / splits) }
    let mean = scores.reduce(0, +) / Double(splits)
    self.mean = mean
    standardDeviation = (scores.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(splits)).squareRoot()
  }

  /// exp(mean over x of sum p log p - sum of q log q), q being the mean of p: the divergence with its two
  /// sums taken apart.
  private static func score(_ logits: FeatureMatrix, _ rows: Range<Int>) -> Double {
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
}
