import CKernels
@testable import Codebooks
import TensorCore
import Testing

@Suite struct CodePartitionTests {
  let device = Device(threadCount: 2)

  @Test func onlyPartitionsAreTaken() throws {
    #expect(try CodePartition(clusterOf: [1, 0, 1], clusterCount: 2).members() == [[1], [0, 2]])
    #expect(throws: CodebookError.outOfRange(code: 1, cluster: 2, clusterCount: 2)) {
      try CodePartition(clusterOf: [1, 2, 0], clusterCount: 2)
    }
    #expect(throws: CodebookError.emptyCluster(cluster: 1)) {
      try CodePartition(clusterOf: [0, 2, 0], clusterCount: 3)
    }
  }

  @Test func statisticsOfClustersOfAnySize() throws {
    let codes = CodeVectors(count: 6, dimension: 1, elements: [0, 1, 3, 10, 14, 50])
    let clusters = try CodePartition(clusterOf: [0, 0, 0, 1, 1, 2], clusterCount: 3)
    let found = ClusterStatistics(codes, clusters, on: device)
    #expect(found.clusterSize == nil && found.smallestSize == 1 && found.largestSize == 3)
    #expect(abs(found.innerMSE - (14.0 / 3 + 8) / 6) < 1e-12)
    // Pairs 1, 3, 2 and 4; the cluster of one code has none.
    #expect(abs(found.meanDistance - 10.0 / 4) < 1e-12)
    #expect(found.closestDistance == (1 + 4) / 2 && found.largestDistance == (3 + 4) / 2)
    #expect(abs(found.meanSquaredDistance - (1 + 9 + 4 + 16) / 4.0) < 1e-12)
    #expect(found.closestSquaredDistance == (1 + 16) / 2 && found.largestSquaredDistance == (9 + 16) / 2)
    #expect(codes.adjacentDistanceSum == 1 + 2 + 7 + 4 + 36)
  }

  @Test(arguments: [(1, 1), (9, 1), (9, 9), (1000, 32), (1000, 990)])
  func randomClustersAreNeverEmpty(codes: Int, clusters: Int) throws {
    let found = try CodePartition.random(codes: codes, clusterCount: clusters, seed: 1)
    #expect(found.sizes().allSatisfy { $0 > 0 } && found.clusterOf.count == codes)
    if clusters == 32 {
      // 1 + binomial(968, 1 / 32): 31.25 on average, with a deviation of 5.4.
      #expect(found.sizes().allSatisfy { (9...60).contains($0) } && Set(found.sizes()).count > 5)
      #expect(try found != .random(codes: codes, clusterCount: clusters, seed: 2))
    }
    #expect(throws: CodebookError.tooFewVectors(vectors: codes, centroids: codes + 1)) {
      try CodePartition.random(codes: codes, clusterCount: codes + 1, seed: 1)
    }
  }

  @Test(arguments: [(1, 1), (17, 3), (64, 8)]) func distancesFallToANewCentroid(count: Int, dimension: Int) {
    let vectors = randomVectors(count, dimension: dimension, seed: 60)
    let row = randomVectors(1, dimension: dimension, seed: 61)
    let panelCount = (count + 15) / 16
    var panels = [Float](repeating: 0, count: panelCount * 16 * dimension)
    tsr_pack_codes(&panels, vectors.elements, count, dimension)
    let closest = (0..<panelCount * 16).map { Float($0 < count ? $0 % 5 : 0) }
    var closer = closest
    let sum = tsr_closer_to_row(&closer, closest, row.elements, panels, dimension, panelCount)
    for j in 0..<count {
      let expected = min(Double(closest[j]), vectors.squaredDistance(j, to: row, 0))
      #expect(abs(Double(closer[j]) - expected) <= 1e-6 * (1 + expected))
    }
    #expect(closer[count...].allSatisfy { $0 == 0 })
    #expect(abs(sum - closer.reduce(0.0) { $0 + Double($1) }) <= 1e-12 * (1 + sum))
  }
}
