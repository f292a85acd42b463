import TensorCore

/// A search for balanced clusters by stochastic relaxation: k-means rounds with noise on the centroids that
/// decreases to 0. Each centroid has a price, which is added to its distances: it rises while the centroid
/// attracts more than its share of the codes, and falls while it attracts fewer. The noise lets centroids
/// leave poor local optima of k-means. The prices balance the clusters without the distant last members of a
/// greedy assignment. The last rounds have no noise. A greedy assignment at the final prices then makes the
/// balance exact.
struct BalancedAnnealing {
  let steps: Int
  let seed: UInt64

  /// Standard deviation of the first noise and step of the prices, in units of the present clusters' own
  /// error per component. Measured on uniform and on clumped codes; both are flat around the optimum.
  private static let firstNoise = 0.25
  private static let priceStep = 0.1
  /// Share of the steps without noise.
  private static let settling = 0.1

  func run(_ codes: CodeVectors, _ clusters: BalancedPartition, on device: Device) -> BalancedPartition {
    let start = codes.rows(Array(0..<clusters.clusterCount))
    var centroids = codes.means(clusterOf: clusters.clusterOf, previous: start)
    let variance = clusters.withinClusterSum(codes) / Double(codes.elements.count)
    var prices = [Float](repeating: 0, count: centroids.count)
    // The starts of clusterings use the indices from 0 on.
    var random = CounterRandom(seed: seed, purpose: .clustering, index: 1 << 32)
    for step in 0..<steps {
      let found = NearestCode(centroids, prices: prices, on: device).find(codes).codes
      centroids = codes.means(clusterOf: found, previous: centroids)
      let rate = Self.priceStep * variance * Double(codes.dimension)
      adjust(&prices, clusterOf: found, clusterSize: clusters.clusterSize, rate: Float(rate))
      let noise = noise(at: step) * variance.squareRoot()
      if noise > 0 { centroids = shaken(centroids, by: noise, &random) }
    }
    let size = clusters.clusterSize
    let found = assignGreedily(codes, to: centroids, prices: prices, clusterSize: size, on: device)
    return BalancedPartition(valid: found, clusterSize: size)
  }

  private func noise(at step: Int) -> Double {
    let left = max(0, 1 - Double(step) / (Double(steps) * (1 - Self.settling)))
    return Self.firstNoise * left
  }

  private func adjust(_ prices: inout [Float], clusterOf: [UInt32], clusterSize: Int, rate: Float) {
    var members = [Int](repeating: 0, count: prices.count)
    for cluster in clusterOf { members[Int(cluster)] += 1 }
    for cluster in prices.indices {
      prices[cluster] += rate * (Float(members[cluster]) / Float(clusterSize) - 1)
    }
  }

  private func shaken(_ centroids: CodeVectors, by deviation: Double, _ random: inout CounterRandom)
    -> CodeVectors
  {
    let elements = centroids.elements.map { $0 + Float(deviation * random.normal()) }
    return CodeVectors(count: centroids.count, dimension: centroids.dimension, elements: elements)
  }
}
