import CKernels
import Codebooks
import Glibc

/// The figures of one position. A rank is the number of entries above the target's.
struct RowScore {
  var tokenLoss = 0.0
  var tokenRank = 0
  var clusterLoss = 0.0
  var clusterRank = 0
  /// Whether each of the five most probable tokens lies in the target's cluster, the most probable one first.
  var clusterHits: [Bool] = []

  init() {}

  /// - Parameters:
  ///   - logits: [V].
  ///   - clusters: of the V codes; nil leaves the figures of clusters out.
  init(_ logits: UnsafeBufferPointer<Float>, target: Int, _ clusters: GroupedItems?) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: logits.count) { weights in
      guard let base = logits.baseAddress, let weight = weights.baseAddress else { return }
      var maximum: Float = 0
      let total = tsr_exponentials_row(weight, &maximum, base, logits.count)
      tokenLoss = Double(maximum) + log(total) - Double(logits[target])
      tokenRank = tsr_count_above(base, logits[target], logits.count)
      guard let clusters else { return }
      let sums = clusters.items.withUnsafeBufferPointer { items in
        (0..<clusters.count).map { cluster in
          // Four sums, since each addition waits for the one before.
          var sum = SIMD4<Double>()
          let places = clusters.places(of: cluster)
          var place = places.lowerBound
          while place + 4 <= places.upperBound {
            sum += SIMD4(
              Double(weight[items[place]]), Double(weight[items[place + 1]]),
              Double(weight[items[place + 2]]), Double(weight[items[place + 3]]))
            place += 4
          }
          return (place..<places.upperBound).reduce(sum.sum()) { $0 + Double(weight[items[$1]]) }
        }
      }
      let cluster = clusters.labels[target]
      clusterLoss = log(total) - log(sums[cluster])
      clusterRank = sums.reduce(0) { $0 + ($1 > sums[cluster] ? 1 : 0) }
      clusterHits = mostProbable(5, of: logits).map { clusters.labels[$0] == cluster }
    }
  }
}

/// The indices of the largest values, the largest first; of equals the first.
private func mostProbable(_ count: Int, of logits: UnsafeBufferPointer<Float>) -> [Int] {
  var best: [Int] = []
  // The least of those that are kept, once they are enough.
  var least = -Float.infinity
  for (index, logit) in logits.enumerated() where best.count < count || logit > least {
    best.insert(index, at: best.firstIndex { logits[$0] < logit } ?? best.count)
    if best.count > count { best.removeLast() }
    if best.count == count { least = logits[best[count - 1]] }
  }
  return best
}
