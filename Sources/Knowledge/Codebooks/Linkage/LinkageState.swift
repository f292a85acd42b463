/// The clusters that are left in an agglomerative clustering, in slots 0..<count.
///
/// Float64 throughout, and distances summed in the same order from both sides: were the distance of a pair to
/// depend on the side by rounding, a chain of nearest neighbours might not end.
struct LinkageState {
  /// Clusters left.
  private(set) var count: Int
  /// A code of each cluster.
  private(set) var code: [Int]
  private let capacity: Int
  private let dimension: Int
  private var sizes: [Double]
  /// Mean squared distance of a cluster's codes to their mean.
  private var spreads: [Double]
  /// Components of the means [dimension, capacity]: a component of all clusters is contiguous, which the
  /// compiler turns into vector instructions.
  private var means: [Double]
  private var distances: [Double]

  /// Every code is a cluster.
  init(_ codes: CodeVectors) {
    (count, capacity, dimension) = (codes.count, codes.count, codes.dimension)
    code = Array(0..<codes.count)
    sizes = [Double](repeating: 1, count: codes.count)
    spreads = [Double](repeating: 0, count: codes.count)
    distances = spreads
    means = (0..<codes.dimension).flatMap { k in
      (0..<codes.count).map { Double(codes.elements[$0 * codes.dimension + k]) }
    }
  }

  /// The slot at the smallest distance, and that distance; `preferred` wins where it is one of several, else the
  /// first.
  mutating func nearest(to slot: Int, preferring preferred: Int?) -> (slot: Int, distance: Double) {
    measure(from: slot)
    distances[slot] = .infinity
    return distances.withUnsafeBufferPointer { distances in
      var nearest = preferred ?? (slot == 0 ? 1 : 0)
      for other in 0..<count where distances[other] < distances[nearest] { nearest = other }
      return (nearest, distances[nearest])
    }
  }

  private mutating func measure(from slot: Int) {
    let (count, spread) = (count, spreads[slot])
    distances.withUnsafeMutableBufferPointer { distances in
      means.withUnsafeBufferPointer { means in
        for other in 0..<count { distances[other] = 0 }
        for k in 0..<dimension {
          let component = UnsafeBufferPointer(rebasing: means[k * capacity..<k * capacity + count])
          let own = component[slot]
          for other in 0..<count {
            let difference = component[other] - own
            distances[other] += difference * difference
          }
        }
      }
      spreads.withUnsafeBufferPointer { spreads in
        for other in 0..<count { distances[other] += spreads[other] + spread }
      }
    }
  }

  /// Joins the clusters of two slots in the first of them; the last slot's cluster moves to the second.
  /// Returns the slot that is now unused.
  mutating func join(_ one: Int, _ other: Int) -> Int {
    precondition(one < other && other < count, "LinkageState.join: \(one) and \(other) of \(count)")
    let size = sizes[one] + sizes[other]
    let (share, rest) = (sizes[one] / size, sizes[other] / size)
    var squaredDistance = 0.0
    let last = count - 1
    for k in 0..<dimension {
      let (a, b) = (means[k * capacity + one], means[k * capacity + other])
      squaredDistance += (a - b) * (a - b)
      means[k * capacity + one] = share * a + rest * b
      means[k * capacity + other] = means[k * capacity + last]
    }
    spreads[one] = share * spreads[one] + rest * spreads[other] + share * rest * squaredDistance
    sizes[one] = size
    (spreads[other], sizes[other], code[other]) = (spreads[last], sizes[last], code[last])
    count = last
    return last
  }
}
