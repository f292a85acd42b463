/// Two clusters a and b of one size m, whose 2m codes are divided again. One thread uses one value for many
/// pairs.
struct PairDivision {
  private struct Candidate {
    var code: Int
    /// Projection of the code on S_a - S_b: large values belong to a.
    var projection: Double
  }

  private let x: UnsafeBufferPointer<Float>
  private let dimension: Int
  private let clusterSize: Int
  private let largestSquaredDistance: Double
  /// a's codes, then b's.
  private var candidates: [Candidate]
  /// S_a, then S_b.
  private var sums: [Double]
  private var newSums: [Double]

  init(x: UnsafeBufferPointer<Float>, dimension: Int, clusterSize: Int, largestSquaredDistance: Double) {
    (self.x, self.dimension, self.clusterSize) = (x, dimension, clusterSize)
    self.largestSquaredDistance = largestSquaredDistance
    candidates = Array(repeating: Candidate(code: 0, projection: 0), count: 2 * clusterSize)
    sums = [Double](repeating: 0, count: 2 * dimension)
    newSums = sums
  }

  /// Improves the division of clusters a and b until no cut and no swap does; returns whether it changed.
  mutating func divide(
    _ a: Int, _ b: Int, _ members: UnsafeMutableBufferPointer<Int>,
    _ clusterSums: UnsafeMutableBufferPointer<Double>
  ) -> Bool {
    load(a, b, members, clusterSums)
    var changed = false
    while true {
      project()
      if !cut() && !swap() { break }
      changed = true
    }
    if changed { store(a, b, members, clusterSums) }
    return changed
  }

  private mutating func load(
    _ a: Int, _ b: Int, _ members: UnsafeMutableBufferPointer<Int>,
    _ clusterSums: UnsafeMutableBufferPointer<Double>
  ) {
    for i in 0..<clusterSize {
      candidates[i].code = members[a * clusterSize + i]
      candidates[clusterSize + i].code = members[b * clusterSize + i]
    }
    for k in 0..<dimension {
      sums[k] = clusterSums[a * dimension + k]
      sums[dimension + k] = clusterSums[b * dimension + k]
    }
  }

  private func store(
    _ a: Int, _ b: Int, _ members: UnsafeMutableBufferPointer<Int>,
    _ clusterSums: UnsafeMutableBufferPointer<Double>
  ) {
    for i in 0..<clusterSize {
      members[a * clusterSize + i] = candidates[i].code
      members[b * clusterSize + i] = candidates[clusterSize + i].code
    }
    for k in 0..<dimension {
      clusterSums[a * dimension + k] = sums[k]
      clusterSums[b * dimension + k] = sums[dimension + k]
    }
  }

  private mutating func project() {
    for i in candidates.indices {
      let row = candidates[i].code * dimension
      var sum = 0.0
      for k in 0..<dimension { sum += (sums[k] - sums[dimension + k]) * Double(x[row + k]) }
      candidates[i].projection = sum
    }
  }

  /// The m codes furthest along S_a - S_b to a, the others to b: |S_a - S_b| cannot fall.
  private mutating func cut() -> Bool {
    let lowestOfA = candidates[..<clusterSize].reduce(Double.infinity) { min($0, $1.projection) }
    let highestOfB = candidates[clusterSize...].reduce(-Double.infinity) { max($0, $1.projection) }
    if lowestOfA >= highestOfB { return false }
    let before = candidates
    candidates.sort { ($0.projection, $1.code) > ($1.projection, $0.code) }
    if acceptIfBetter() { return true }
    candidates = before
    return false
  }

  /// The one swap that raises |S_a|^2 + |S_b|^2 most. Swapping i of a for j of b adds
  /// 2 (p_j - p_i) + 2 |x_j - x_i|^2, so that only codes near the cut come into question.
  private mutating func swap() -> Bool {
    let lowestOfA = candidates[..<clusterSize].reduce(Double.infinity) { min($0, $1.projection) }
    let highestOfB = candidates[clusterSize...].reduce(-Double.infinity) { max($0, $1.projection) }
    let reach = largestSquaredDistance
    var best: (gain: Double, i: Int, j: Int) = (0, 0, 0)
    for i in 0..<clusterSize where candidates[i].projection < highestOfB + reach {
      for j in clusterSize..<2 * clusterSize where candidates[j].projection > lowestOfA - reach {
        let difference = candidates[j].projection - candidates[i].projection
        if 2 * (difference + reach) <= best.gain { continue }
        let gain = 2 * (difference + squaredDistance(candidates[i].code, candidates[j].code))
        if gain > best.gain { best = (gain, i, j) }
      }
    }
    guard best.gain > 0 else { return false }
    candidates.swapAt(best.i, best.j)
    if acceptIfBetter() { return true }
    candidates.swapAt(best.i, best.j)
    return false
  }

  /// Adds up the sums of the present division and takes them if |S_a|^2 + |S_b|^2 has risen by more than
  /// rounding, which also makes every descent end.
  private mutating func acceptIfBetter() -> Bool {
    for k in newSums.indices { newSums[k] = 0 }
    for i in candidates.indices {
      let row = candidates[i].code * dimension
      let side = i < clusterSize ? 0 : dimension
      for k in 0..<dimension { newSums[side + k] += Double(x[row + k]) }
    }
    let old = sums.reduce(0) { $0 + $1 * $1 }
    let new = newSums.reduce(0) { $0 + $1 * $1 }
    if new <= old + 1e-12 * old { return false }
    Swift.swap(&sums, &newSums)
    return true
  }

  private func squaredDistance(_ one: Int, _ other: Int) -> Double {
    var sum = 0.0
    for k in 0..<dimension {
      let difference = Double(x[one * dimension + k]) - Double(x[other * dimension + k])
      sum += difference * difference
    }
    return sum
  }
}
