import TensorCore

/// Balanced clusters under exchange of codes between pairs of them.
///
/// With all clusters of one size, the sum of squared distances within clusters falls as the sum over
/// clusters of |S_c|^2 rises, S_c being the sum of a cluster's codes. Two clusters at a time are re-divided
/// until neither a new cut across the line between their means nor any swap of two codes raises it. A pass
/// visits all pairs in rounds of disjoint pairs, a round-robin tournament, so that a round's pairs may run on
/// any number of threads with one result.
final class ClusterExchange {
  private let codes: CodeVectors
  private let clusterSize: Int
  private let clusterCount: Int
  /// Codes of cluster c at `c * clusterSize ..< (c + 1) * clusterSize`.
  private var members: [Int]
  /// S_c in float64, added up anew from the members whenever they change.
  private var sums: [Double]
  /// When each cluster last changed, in rounds.
  private var changed: [Int]
  /// An upper bound of the squared distance of two codes.
  private let largestSquaredDistance: Double

  init(_ codes: CodeVectors, _ clusters: BalancedPartition) {
    self.codes = codes
    (clusterSize, clusterCount) = (clusters.clusterSize, clusters.clusterCount)
    members = clusters.members()
    sums = [Double](repeating: 0, count: clusters.clusterCount * codes.dimension)
    for (position, code) in members.enumerated() {
      let cluster = position / clusters.clusterSize
      for (k, x) in codes[code].enumerated() { sums[cluster * codes.dimension + k] += Double(x) }
    }
    changed = [Int](repeating: 1, count: clusters.clusterCount)
    let everywhere = [UInt32](repeating: 0, count: codes.count)
    let centre = codes.means(clusterOf: everywhere, previous: codes.rows([0]))
    largestSquaredDistance = 4 * (codes.indices.map { codes.squaredDistance($0, to: centre, 0) }.max() ?? 0)
  }

  /// The clusters as they are.
  func clusters() -> BalancedPartition {
    var clusterOf = [UInt32](repeating: 0, count: members.count)
    for (position, code) in members.enumerated() { clusterOf[code] = UInt32(position / clusterSize) }
    return BalancedPartition(valid: clusterOf, clusterSize: clusterSize)
  }

  /// Passes over all pairs until one changes nothing or `maximumPasses` are done; returns their number.
  func descend(maximumPasses: Int, on device: Device) -> Int {
    guard clusterCount > 1, clusterSize > 1 else { return 0 }
    for pass in 0..<maximumPasses where !runPass(pass, on: device) { return pass + 1 }
    return maximumPasses
  }

  /// Returns whether anything changed.
  private func runPass(_ pass: Int, on device: Device) -> Bool {
    let players = clusterCount + clusterCount % 2
    let rounds = players - 1
    var improved = false
    for round in 0..<rounds {
      let time = pass * rounds + round + 1
      let pairs = Self.pairs(round: round, players: players).filter { a, b in
        // One pass ago the pair was at its optimum. If both clusters are unchanged, there is nothing to do.
        b < clusterCount && max(changed[a], changed[b]) > time - rounds
      }
      for cluster in exchange(pairs, on: device) {
        changed[cluster] = time
        improved = true
      }
    }
    return improved
  }

  /// Disjoint pairs a < b; over all rounds each pair of players meets once (the circle method).
  static func pairs(round: Int, players: Int) -> [(Int, Int)] {
    let circle = players - 1
    return (0..<players / 2).map { k in
      let one = (round + k) % circle
      let other = k == 0 ? circle : (round - k + circle) % circle
      return (min(one, other), max(one, other))
    }
  }

  /// Re-divides disjoint pairs; returns the clusters that changed.
  private func exchange(_ pairs: [(Int, Int)], on device: Device) -> [Int] {
    var didChange = [Bool](repeating: false, count: pairs.count)
    codes.elements.withUnsafeBufferPointer { x in
      members.withUnsafeMutableBufferPointer { members in
        sums.withUnsafeMutableBufferPointer { sums in
          didChange.withUnsafeMutableBufferPointer { didChange in
            let (members, sums, didChange) = (members, sums, didChange)
            device.forRanges(pairs.count) { range in
              var pair = PairDivision(
                x: x, dimension: codes.dimension, clusterSize: clusterSize,
                largestSquaredDistance: largestSquaredDistance)
              for index in range {
                didChange[index] = pair.divide(pairs[index].0, pairs[index].1, members, sums)
              }
            }
          }
        }
      }
    }
    return zip(pairs, didChange).flatMap { pair, changed in changed ? [pair.0, pair.1] : [] }
  }
}
