@testable import Codebooks
import TensorCore
import Testing

@Suite struct BalancedClusteringTests {
  let device = Device(threadCount: 2)

  /// The paper's algorithm as it reads: all distances, a full sort of each vector's centroids.
  func naiveAssignment(_ vectors: CodeVectors, _ centroids: CodeVectors, _ size: Int) -> [UInt32] {
    let distances = vectors.indices.map { row in
      centroids.indices.map { vectors.squaredDistance(row, to: centroids, $0) }
    }
    let order = vectors.indices.sorted { (distances[$0].min()!, $0) < (distances[$1].min()!, $1) }
    var room = [Int](repeating: size, count: centroids.count)
    var clusterOf = [UInt32](repeating: 0, count: vectors.count)
    for row in order {
      let nearest = centroids.indices.sorted { (distances[row][$0], $0) < (distances[row][$1], $1) }
      let cluster = nearest.first { room[$0] > 0 }!
      clusterOf[row] = UInt32(cluster)
      room[cluster] -= 1
    }
    return clusterOf
  }

  @Test(arguments: [(60, 4, 3), (96, 32, 8), (128, 1, 8), (128, 128, 8), (300, 6, 2)])
  func assignmentAgreesWithTheNaiveOne(count: Int, size: Int, dimension: Int) {
    let vectors = randomVectors(count, dimension: dimension, seed: 11)
    let centroids = randomVectors(count / size, dimension: dimension, seed: 12)
    let found = assignGreedily(vectors, to: centroids, clusterSize: size, on: device)
    #expect(found == naiveAssignment(vectors, centroids, size))
  }

  @Test(arguments: [ClusterStart.random, .kMeansPlusPlus], [1, 5, 30, 150])
  func everyClusterHasItsSize(start: ClusterStart, size: Int) throws {
    for seed in 0..<5 as Range<UInt64> {
      let codes = randomVectors(150, dimension: 5, clumps: 9, seed: seed)
      let result = try BalancedClustering(clusterSize: size, start: start, seed: seed).run(codes, on: device)
      #expect(throws: Never.self) {
        try BalancedPartition(clusterOf: result.clusters.clusterOf, clusterSize: size)
      }
      let statistics = ClusterStatistics(codes, result.clusters, on: device)
      #expect(abs(statistics.innerMSE - result.innerMSE) <= 1e-6 * statistics.innerMSE + 1e-12)
      if size == 1 { #expect(result.innerMSE < 1e-12 && statistics.largestDistance == 0) }
    }
  }

  @Test func copiesOfOneCodeAreSharedOut() throws {
    let codes = CodeVectors(count: 64, dimension: 2, elements: [Float](repeating: 0.5, count: 128))
    for start in [ClusterStart.random, .kMeansPlusPlus] {
      let result = try BalancedClustering(clusterSize: 8, start: start).run(codes, on: device)
      #expect(result.innerMSE == 0 && result.converged)
      let refined = try ClusterRefinement().run(codes, result.clusters, on: device)
      #expect(refined.innerMSE == 0)
      #expect(result.clusters.order(codes, on: device).count == 64)
    }
  }

  @Test func doesNotDependOnThreads() throws {
    let codes = randomVectors(2048, dimension: 8, seed: 13).normalized(on: device)
    let clustering = BalancedClustering(clusterSize: 64, maximumIterations: 10, seed: 3)
    let refinement = ClusterRefinement(annealingSteps: 20)
    let results = try [1, 2, 3].map { threads in
      let device = Device(threadCount: threads)
      let plain = try clustering.run(codes, on: device)
      return (plain.clusters, try refinement.run(codes, plain.clusters, on: device).clusters)
    }
    #expect(results[1] == results[0] && results[2] == results[0])
  }

  @Test func anEarlyStopGivesTheBestOrTheLastRound() throws {
    var differ = 0
    for seed in 0..<6 as Range<UInt64> {
      let codes = randomVectors(120, dimension: 3, seed: seed)
      for rounds in [1, 2, 4, 7] {
        func run(last: Bool) throws -> (BalancedClustering.Result, [Double]) {
          var errors: [Double] = []
          let clustering = BalancedClustering(
            clusterSize: 10, maximumIterations: rounds, keepsLastRound: last, seed: seed)
          let result = try clustering.run(codes, on: device) { errors.append($1) }
          return (result, errors)
        }
        let ((best, errors), (last, _)) = (try run(last: false), try run(last: true))
        #expect(
          best.innerMSE == (best.converged ? errors.last : errors.min()) && last.innerMSE == errors.last)
        #expect(last.iterations == errors.count && errors.count <= rounds)
        differ += last.clusters == best.clusters ? 0 : 1
      }
    }
    #expect(differ > 0, "a greedy round is sometimes worse than the one before it")
  }

  @Test func restartsKeepTheBest() throws {
    let codes = randomVectors(400, dimension: 3, seed: 14)
    let errors = try (1...6).map {
      try BalancedClustering(clusterSize: 20, restarts: $0, seed: 5).run(codes, on: device).innerMSE
    }
    #expect(zip(errors, errors.dropFirst()).allSatisfy { $1 <= $0 })
    #expect(errors[5] < errors[0])
  }

  @Test func usersMistakesAreNamed() throws {
    let codes = randomVectors(60, dimension: 3, seed: 15)
    func run(_ size: Int, _ start: ClusterStart = .random, _ codes: CodeVectors) throws {
      _ = try BalancedClustering(clusterSize: size, start: start).run(codes, on: device)
    }
    #expect(throws: CodebookError.indivisible(codes: 60, clusterSize: 7)) { try run(7, .random, codes) }
    #expect(throws: CodebookError.indivisible(codes: 60, clusterSize: 0)) { try run(0, .random, codes) }
    #expect(throws: CodebookError.indivisible(codes: 60, clusterSize: 120)) { try run(120, .random, codes) }
    #expect(throws: CodebookError.badStart(rows: 2, centroids: 2, codes: 60)) {
      try run(30, .rows([4, 4]), codes)
    }
    #expect(throws: CodebookError.badStart(rows: 2, centroids: 2, codes: 60)) {
      try run(30, .rows([4, 60]), codes)
    }
    var elements = codes.elements
    elements[3 * 17 + 1] = .nan
    #expect(throws: CodebookError.notFinite(vector: 17)) {
      try run(30, .random, CodeVectors(count: 60, dimension: 3, elements: elements))
    }
    #expect("\(CodebookError.indivisible(codes: 60, clusterSize: 7))".contains("60"))
    #expect(throws: CodebookError.unbalanced(cluster: 0, members: 3, clusterSize: 2)) {
      try BalancedPartition(clusterOf: [0, 0, 0, 1], clusterSize: 2)
    }
    #expect(throws: CodebookError.outOfRange(code: 3, cluster: 2, clusterCount: 2)) {
      try BalancedPartition(clusterOf: [0, 0, 1, 2], clusterSize: 2)
    }
  }
}
