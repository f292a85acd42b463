@testable import Codebooks
import Foundation
import TensorCore
import Testing

/// Figures for the performance page: `TESSERA_MEASURE=1 swift test -c release -Xswiftc -enable-testing
/// --filter CodebooksTests.Measurement`.
@Suite(
  .serialized,
  .enabled(if: ProcessInfo.processInfo.environment["TESSERA_MEASURE"] != nil, "measures, and takes minutes"))
struct Measurement {
  let device = Device(threadCount: 2)

  func milliseconds<Value>(_ body: () throws -> Value) rethrows -> (Value, Double) {
    let start = ContinuousClock.now
    let value = try body()
    return (value, (ContinuousClock.now - start) / .milliseconds(1))
  }

  @Test(arguments: [(0, 128, 1), (300, 128, 1), (0, 128, 2), (0, 128, 3), (0, 16, 1)])
  func rearrange16384Codes(clumps: Int, size: Int, seed: UInt64) throws {
    let codes = randomVectors(16384, dimension: 8, clumps: clumps, seed: seed).normalized(on: device)
    let (plain, time) = try milliseconds {
      try BalancedClustering(clusterSize: size, seed: seed).run(codes, on: device)
    }
    print(
      "clumps \(clumps), size \(size): inner MSE \(plain.innerMSE), \(time / Double(plain.iterations)) ms/iteration"
    )
    for steps in [0, nil] {
      let (refined, time) = try milliseconds {
        try ClusterRefinement(annealingSteps: steps).run(codes, plain.clusters, on: device)
      }
      let gain = 100 * (1 - refined.innerMSE / refined.innerMSEBefore)
      print(
        "  steps \(steps as Any): \(refined.innerMSE), \(gain) % lower, \(refined.passes) passes, \(time) ms")
    }
    let (_, order) = milliseconds { plain.clusters.order(codes, on: device) }
    let (statistics, statisticsTime) = milliseconds { ClusterStatistics(codes, plain.clusters, on: device) }
    print("  order \(order) ms, statistics \(statisticsTime) ms: \(statistics)")
    #expect(time / Double(plain.iterations) < 60)
  }

  @Test(arguments: [0, 300]) func cluster16384Codes(clumps: Int) throws {
    let codes = randomVectors(16384, dimension: 8, clumps: clumps, seed: 1).normalized(on: device)
    let clustering = KMeans(
      count: 512, start: .greedyKMeansPlusPlus, maximumIterations: 300, emptyClusters: .takeFarthest)
    let (found, time) = try milliseconds { try clustering.run(codes, on: device) }
    print(
      "clumps \(clumps): k-means \(time) ms, \(found.iterations) iterations, MSE \(found.meanSquaredError)")
    let (_, linkage) = try milliseconds { try AverageLinkage(clusterCount: 512).run(codes) }
    print("  average linkage \(linkage) ms")
    #expect(time < 480)
  }

  @Test(arguments: [1024, 16384]) func firstCodes(count: Int) throws {
    let latents = randomVectors(65536, dimension: 8, clumps: 500, seed: 7)
    var random = CounterRandom(seed: 1, purpose: .test)
    let (rows, start) = try milliseconds {
      try ClusterStart.kMeansPlusPlus.choose(count, of: latents, random: &random, on: device)
    }
    let search = NearestCode(latents.rows(rows), on: device)
    let (_, round) = milliseconds { search.find(latents) }
    print("65536 latents, \(count) codes: start \(start) ms, a search \(round) ms")
    #expect(round < start)
  }
}
