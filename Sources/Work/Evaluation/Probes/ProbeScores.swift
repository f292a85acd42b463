/// Scores of a classifier on some images.
public struct ProbeScores: Sendable, Equatable {
  /// Share of the images whose class was predicted.
  public let top1: Double
  /// The same share within each class, averaged over the classes of the images: all classes count equally,
  /// and guessing gives 1 / classes.
  public let balancedTop1: Double
  /// Mean cross-entropy in nats.
  public let loss: Double
  /// Standard error of `top1` as the share of `n` independent images.
  public let standardError: Double

  /// Counts hits; there is at least one image.
  public init(predictions: [Int], labels: [Int], loss: Double) {
    precondition(predictions.count == labels.count && !labels.isEmpty, "ProbeScores: \(labels.count) labels")
    var hits: [Int: (right: Int, all: Int)] = [:]
    for (prediction, label) in zip(predictions, labels) {
      let seen = hits[label] ?? (0, 0)
      hits[label] = (seen.right + (prediction == label ? 1 : 0), seen.all + 1)
    }
    let n = Double(labels.count)
    top1 = Double(hits.values.reduce(0) { $0 + $1.right }) / n
    // In the order of the classes, because a sum in the order of a dictionary would differ from run to run.
    let shares = hits.keys.sorted().map { Double(hits[$0]!.right) / Double(hits[$0]!.all) }
    balancedTop1 = shares.reduce(0, +) / Double(shares.count)
    standardError = (top1 * (1 - top1) / n).squareRoot()
    self.loss = loss
  }

  /// The share of the test images whose class is the most frequent one in training: the score without looking
  /// at images.
  public static func majority(training: [Int], test: [Int]) -> Double {
    var counts: [Int: Int] = [:]
    for label in training { counts[label, default: 0] += 1 }
    let best = counts.max { ($0.value, -$0.key) < ($1.value, -$1.key) }?.key
    return Double(test.filter { $0 == best }.count) / Double(test.count)
  }
}
