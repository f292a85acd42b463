@testable import Codebooks
import TensorCore
import Testing

@Suite struct ClusterRefinementTests {
  let device = Device(threadCount: 2)

  @Test(arguments: 1...13) func everyPairMeetsOnceInATournament(half: Int) {
    let players = 2 * half
    var met: Set<[Int]> = []
    for round in 0..<players - 1 {
      let pairs = ClusterExchange.pairs(round: round, players: players)
      #expect(Set(pairs.flatMap { [$0.0, $0.1] }).count == players)
      for pair in pairs { #expect(met.insert([pair.0, pair.1]).inserted) }
    }
    #expect(met.count == players * (players - 1) / 2)
  }

  @Test(arguments: [(48, 4, 3), (60, 12, 2), (90, 2, 8), (66, 22, 5)], [0, 8] as [Float])
  func noSwapLeadsFurtherDown(task: (count: Int, size: Int, dimension: Int), offset: Float) throws {
    let random = randomVectors(task.count, dimension: task.dimension, seed: 21)
    let codes = CodeVectors(
      count: task.count, dimension: task.dimension, elements: random.elements.map { $0 + offset })
    let start = try randomClusters(task.count, size: task.size, seed: 21)
    let refined = try ClusterRefinement(annealingSteps: 0).run(codes, start, on: device)
    let optimum = refined.clusters.withinClusterSum(codes)
    for one in 0..<task.count {
      for other in 0..<one {
        var clusterOf = refined.clusters.clusterOf
        clusterOf.swapAt(one, other)
        let swapped = try BalancedPartition(clusterOf: clusterOf, clusterSize: task.size)
        #expect(swapped.withinClusterSum(codes) > optimum * (1 - 1e-6))
      }
    }
  }

  @Test func everyPassDescends() throws {
    let codes = randomVectors(600, dimension: 6, clumps: 30, seed: 22)
    let exchange = ClusterExchange(codes, try randomClusters(600, size: 20, seed: 22))
    var sums = [exchange.clusters().withinClusterSum(codes)]
    while sums.count < 100 {
      let passes = exchange.descend(maximumPasses: 1, on: device)
      #expect(passes == 1)
      let clusters = exchange.clusters()
      #expect(throws: Never.self) { try BalancedPartition(clusterOf: clusters.clusterOf, clusterSize: 20) }
      let sum = clusters.withinClusterSum(codes)
      #expect(sum <= sums[sums.count - 1] * (1 + 1e-12))
      if sum == sums[sums.count - 1] { break }
      sums.append(sum)
    }
    #expect(sums.count > 2 && sums[sums.count - 1] < 0.7 * sums[0])
  }

  @Test(arguments: 0..<6 as Range<UInt64>) func neverRaisesTheSum(seed: UInt64) throws {
    let codes = randomVectors(240, dimension: 4, clumps: Int(seed) * 5, seed: seed)
    for size in [1, 2, 15, 48, 120, 240] {
      let plain = try BalancedClustering(clusterSize: size, seed: seed).run(codes, on: device)
      let refined = try ClusterRefinement(annealingSteps: 30, seed: seed).run(
        codes, plain.clusters, on: device)
      #expect(refined.innerMSE <= refined.innerMSEBefore)
      #expect(abs(refined.innerMSEBefore - plain.innerMSE) <= 1e-5 * plain.innerMSE + 1e-12)
      #expect(throws: Never.self) {
        try BalancedPartition(clusterOf: refined.clusters.clusterOf, clusterSize: size)
      }
      let again = try ClusterRefinement(annealingSteps: 0).run(codes, refined.clusters, on: device)
      #expect(again.innerMSE == refined.innerMSE)
    }
  }
}
