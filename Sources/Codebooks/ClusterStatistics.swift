import TensorCore

/// How tight clusters are: the figures of IAR's Tables 4, A8 and A10. Distances are Euclidean, not squared.
public struct ClusterStatistics: Codable, Sendable, Equatable {
  /// Number of clusters.
  public let clusterCount: Int
  /// Codes in each.
  public let clusterSize: Int
  /// Mean over codes **and components** of the squared difference to the cluster's mean (Table 4). A code
  /// of d components is on average `innerMSE * d` away from its mean, squared.
  public let innerMSE: Double
  /// Distance of two codes of a cluster: the mean over all pairs of all clusters (Tables A8, A10).
  public let meanDistance: Double
  /// The smallest such distance in a cluster, averaged over the clusters (Table A10).
  public let closestDistance: Double
  /// The largest such distance in a cluster, averaged over the clusters (Table A10).
  public let largestDistance: Double

  /// Measures `clusters` of `codes`. Clusters of one code have no pairs: their distances are 0.
  ///
  /// For a codebook before it is rearranged, pass `BalancedClusters.blocks`.
  public init(_ codes: CodeVectors, _ clusters: BalancedClusters, on device: Device) {
    precondition(codes.count == clusters.clusterOf.count, "ClusterStatistics: \(codes.count) codes")
    let size = clusters.clusterSize
    let members = clusters.members()
    var measured = [PairDistances](repeating: PairDistances(), count: clusters.clusterCount)
    measured.withUnsafeMutableBufferPointer { buffer in
      let measured = buffer
      device.forRanges(clusters.clusterCount) { range in
        for cluster in range {
          let rows = Array(members[cluster * size..<(cluster + 1) * size])
          measured[cluster] = PairDistances(codes.rows(rows))
        }
      }
    }
    func mean(_ value: (PairDistances) -> Double) -> Double {
      measured.reduce(0) { $0 + value($1) } / Double(measured.count)
    }
    clusterCount = clusters.clusterCount
    clusterSize = size
    innerMSE = clusters.withinClusterSum(codes) / Double(codes.elements.count)
    meanDistance = mean(\.mean)
    closestDistance = mean(\.closest)
    largestDistance = mean(\.largest)
  }
}

/// Distances between the distinct members of one cluster.
private struct PairDistances {
  var mean = 0.0
  var closest = 0.0
  var largest = 0.0

  init() {}

  init(_ vectors: CodeVectors) {
    guard vectors.count > 1 else { return }
    var (sum, smallest) = (0.0, Double.infinity)
    for row in 1..<vectors.count {
      for other in 0..<row {
        let distance = vectors.squaredDistance(row, to: vectors, other).squareRoot()
        sum += distance
        smallest = min(smallest, distance)
        largest = max(largest, distance)
      }
    }
    mean = sum / Double(vectors.count * (vectors.count - 1) / 2)
    closest = smallest
  }
}

extension BalancedClusters {
  /// Sum over all codes of the squared distance to their cluster's mean, in float64: what balanced
  /// clustering and its refinement make small.
  public func withinClusterSum(_ codes: CodeVectors) -> Double {
    let d = codes.dimension
    var sums = [Double](repeating: 0, count: clusterCount * d)
    for (code, cluster) in clusterOf.enumerated() {
      for k in 0..<d { sums[Int(cluster) * d + k] += Double(codes.elements[code * d + k]) }
    }
    var total = 0.0
    for (code, cluster) in clusterOf.enumerated() {
      for k in 0..<d {
        let mean = sums[Int(cluster) * d + k] / Double(clusterSize)
        let difference = Double(codes.elements[code * d + k]) - mean
        total += difference * difference
      }
    }
    return total
  }
}
