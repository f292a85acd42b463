import TensorCore

/// How tight clusters are: the figures of IAR's Tables 4, A8 and A10. The tables print squared distances: some of theirs
/// are larger than any distance between codes of length 1 can be. Both kinds are given, each under its name.
public struct ClusterStatistics: Codable, Sendable, Equatable {
  /// Number of clusters.
  public let clusterCount: Int
  /// Codes in each, where all are equal.
  public let clusterSize: Int?
  /// Codes in the smallest cluster.
  public let smallestSize: Int
  /// Codes in the largest cluster.
  public let largestSize: Int
  /// Mean over codes **and components** of the squared difference to the cluster's mean (Table 4). A code
  /// of d components is on average `innerMSE * d` away from its mean, squared.
  public let innerMSE: Double
  /// Distance of two codes of a cluster: the mean over all pairs of all clusters (Tables A8, A10).
  public let meanDistance: Double
  /// The smallest such distance in a cluster, averaged over the clusters (Table A10).
  public let closestDistance: Double
  /// The largest such distance in a cluster, averaged over the clusters (Table A10).
  public let largestDistance: Double
  /// As ``meanDistance``, of squared distances (Table A8).
  public let meanSquaredDistance: Double
  /// As ``closestDistance``, of squared distances (Table A10).
  public let closestSquaredDistance: Double
  /// As ``largestDistance``, of squared distances (Table A10).
  public let largestSquaredDistance: Double

  /// Measures equal `clusters` of `codes`. For a codebook before it is rearranged, pass
  /// `BalancedPartition.blocks`.
  public init(_ codes: CodeVectors, _ clusters: BalancedPartition, on device: Device) {
    self.init(codes, clusters.partition, on: device)
  }

  /// Measures `clusters` of `codes`. Clusters of one code have no pairs, and do not count in the averages
  /// of smallest and largest distances; where all are such, the distances are 0.
  public init(_ codes: CodeVectors, _ clusters: CodePartition, on device: Device) {
    precondition(codes.count == clusters.clusterOf.count, "ClusterStatistics: \(codes.count) codes")
    let members = clusters.members()
    var measured = [PairDistances](repeating: PairDistances(), count: members.count)
    measured.withUnsafeMutableBufferPointer { buffer in
      let measured = buffer
      device.forRanges(members.count) { range in
        for cluster in range { measured[cluster] = PairDistances(codes.rows(members[cluster])) }
      }
    }
    let sizes = members.map(\.count)
    let pairs = measured.reduce(0) { $0 + $1.pairs }
    let paired = measured.count { $0.pairs > 0 }
    func total(_ value: (PairDistances) -> Double) -> Double { measured.reduce(0) { $0 + value($1) } }
    clusterCount = clusters.clusterCount
    smallestSize = sizes.min() ?? 0
    largestSize = sizes.max() ?? 0
    clusterSize = smallestSize == largestSize ? smallestSize : nil
    innerMSE = clusters.withinClusterSum(codes) / Double(codes.elements.count)
    meanDistance = total(\.sum) / Double(max(1, pairs))
    closestDistance = total(\.closest) / Double(max(1, paired))
    largestDistance = total(\.largest) / Double(max(1, paired))
    meanSquaredDistance = total(\.squaredSum) / Double(max(1, pairs))
    closestSquaredDistance = total { $0.closest * $0.closest } / Double(max(1, paired))
    largestSquaredDistance = total { $0.largest * $0.largest } / Double(max(1, paired))
  }
}

/// Distances between the distinct members of one cluster.
private struct PairDistances {
  var pairs = 0
  var sum = 0.0
  var squaredSum = 0.0
  var closest = 0.0
  var largest = 0.0

  init() {}

  init(_ vectors: CodeVectors) {
    guard vectors.count > 1 else { return }
    pairs = vectors.count * (vectors.count - 1) / 2
    closest = .infinity
    for row in 1..<vectors.count {
      for other in 0..<row {
        let squared = vectors.squaredDistance(row, to: vectors, other)
        let distance = squared.squareRoot()
        sum += distance
        squaredSum += squared
        closest = min(closest, distance)
        largest = max(largest, distance)
      }
    }
  }
}

extension CodeVectors {
  /// The sum of the distances of codes that follow each other, which IAR's order is to make small (equation 3).
  public var adjacentDistanceSum: Double {
    indices.dropFirst().reduce(0) { $0 + squaredDistance($1, to: self, $1 - 1).squareRoot() }
  }
}

extension BalancedPartition {
  /// Sum over all codes of the squared distance to their cluster's mean, in float64: what balanced
  /// clustering and its refinement make small.
  public func withinClusterSum(_ codes: CodeVectors) -> Double { partition.withinClusterSum(codes) }
}
