@testable import Codebooks
import TensorCore
import Testing

@Suite struct GoldenTests {
  let device = Device(threadCount: 2)

  @Test(arguments: [1, 100]) func balancedClusteringFollowsTheReference(iterations: Int) throws {
    let golden = try BalancedFixture()
    let result = try BalancedClustering(
      clusterSize: 32, start: .rows(golden.firstRows), maximumIterations: iterations
    ).run(golden.codes.normalized(on: device), on: device)
    #expect(result.clusters.clusterOf == (iterations == 1 ? golden.assignmentAfterOne : golden.assignment))
    #expect(result.converged == (iterations > 1))
  }

  @Test func orderAndPermutationFollowTheReference() throws {
    let golden = try BalancedFixture()
    let clusters = try BalancedPartition(clusterOf: golden.assignment, clusterSize: 32)
    let permutation = clusters.order(golden.codes.normalized(on: device), on: device)
    #expect(permutation.newToOld == golden.newToOld)
    #expect(permutation.oldToNew == golden.oldToNew)
  }

  @Test func statisticsFollowTheReference() throws {
    let golden = try BalancedFixture()
    let codes = golden.codes.normalized(on: device)
    let clusters = try BalancedPartition(clusterOf: golden.assignment, clusterSize: 32)
    let statistics = ClusterStatistics(codes, clusters, on: device)
    #expect(abs(statistics.innerMSE * 512 / golden.innerMSESum - 1) < 1e-5)
    #expect(abs(statistics.meanDistance / golden.meanDistance - 1) < 1e-5)

    let permutation = try CodePermutation(newToOld: golden.newToOld)
    let rearranged = ClusterStatistics(
      codes.rows(permutation.newToOld), try .blocks(codes: 512, clusterSize: 32), on: device)
    #expect(abs(rearranged.meanDistance / statistics.meanDistance - 1) < 1e-12)
    let before = ClusterStatistics(codes, try .blocks(codes: 512, clusterSize: 32), on: device)
    #expect(before.meanDistance > 1.5 * rearranged.meanDistance)
  }

  @Test func refinementBeatsTheReference() throws {
    let golden = try BalancedFixture()
    let codes = golden.codes.normalized(on: device)
    let clusters = try BalancedPartition(clusterOf: golden.assignment, clusterSize: 32)
    let refined = try ClusterRefinement().run(codes, clusters, on: device)
    #expect(refined.innerMSE < 0.97 * refined.innerMSEBefore)
  }
}
