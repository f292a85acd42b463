@testable import Codebooks
import TensorCore
import Testing

@Suite struct KMeansTests {
  let device = Device(threadCount: 2)

  @Test func findsWellSeparatedClumps() throws {
    let corners = CodeVectors(count: 4, dimension: 2, elements: [0, 0, 10, 0, 0, 10, 10, 10])
    var random = CounterRandom(seed: 41, purpose: .test)
    let elements = (0..<400).flatMap { row in corners[row % 4].map { $0 + Float(0.1 * random.normal()) } }
    let vectors = CodeVectors(count: 400, dimension: 2, elements: elements)
    let result = try KMeans(count: 4).run(vectors, on: device)
    #expect(Set(result.clusterOf.prefix(4)).count == 4)
    #expect((0..<400).allSatisfy { result.clusterOf[$0] == result.clusterOf[$0 % 4] })
    #expect(result.meanSquaredError < 0.02)
  }

  @Test func errorFallsWithEveryIteration() throws {
    let vectors = randomVectors(1500, dimension: 4, seed: 42)
    let errors = try (1...8).map {
      try KMeans(count: 40, start: .random, maximumIterations: $0).run(vectors, on: device).meanSquaredError
    }
    #expect(zip(errors, errors.dropFirst()).allSatisfy { $1 <= $0 * (1 + 1e-6) })
    #expect(errors[7] < 0.95 * errors[0])
  }

  @Test func betterStartsThanChance() throws {
    let vectors = randomVectors(3000, dimension: 4, clumps: 50, seed: 43)
    func error(_ start: ClusterStart) throws -> Double {
      try KMeans(count: 50, start: start, maximumIterations: 1).run(vectors, on: device).meanSquaredError
    }
    #expect(try error(.kMeansPlusPlus) < error(.random))
  }

  @Test(arguments: [1, 7, 1024, 1100]) func startsAreDistinctRows(count: Int) throws {
    let few = randomVectors(30, dimension: 3, seed: 44)
    let vectors = few.rows((0..<1100).map { $0 % 30 })
    for start in [ClusterStart.random, .kMeansPlusPlus, .greedyKMeansPlusPlus] {
      var random = CounterRandom(seed: 44, purpose: .test)
      let rows = try start.choose(count, of: vectors, random: &random, on: device)
      #expect(rows.count == count && Set(rows).count == count)
    }
  }

  @Test func emptyClustersKeepTheirMean() throws {
    let vectors = CodeVectors(count: 4, dimension: 1, elements: [1, 1, 1, 5])
    let result = try KMeans(count: 3, start: .rows([0, 1, 3])).run(vectors, on: device)
    #expect(result.clusterOf == [0, 0, 0, 2])
    #expect(result.centroids.elements == [1, 1, 5])
  }

  /// The slow obvious round: each vector to its nearest centroid, each centroid to the mean of its vectors.
  private func lloydStep(_ vectors: CodeVectors, _ centroids: CodeVectors) -> CodeVectors {
    let nearest = vectors.indices.map { row in
      centroids.indices.min {
        vectors.squaredDistance(row, to: centroids, $0) < vectors.squaredDistance(row, to: centroids, $1)
      }
    }
    let elements = centroids.indices.flatMap { centroid in
      (0..<vectors.dimension).map { k -> Float in
        let members = vectors.indices.filter { nearest[$0] == centroid }
        let sum = members.reduce(0.0) { $0 + Double(vectors.elements[$1 * vectors.dimension + k]) }
        return Float(sum / Double(members.count))
      }
    }
    return CodeVectors(count: centroids.count, dimension: vectors.dimension, elements: elements)
  }

  @Test(arguments: [(90, 7, 3), (200, 19, 8), (64, 2, 1)])
  func anIterationIsALloydStep(count: Int, centroids: Int, dimension: Int) throws {
    let vectors = randomVectors(count, dimension: dimension, seed: 46)
    var expected = vectors.rows(Array(0..<centroids))
    for iterations in 1...3 {
      expected = lloydStep(vectors, expected)
      let result = try KMeans(
        count: centroids, start: .rows(Array(0..<centroids)), maximumIterations: iterations
      ).run(vectors, on: device)
      for (one, other) in zip(result.centroids.elements, expected.elements) {
        #expect(abs(one - other) <= 1e-6 * (1 + abs(other)))
      }
    }
  }

  @Test func emptyClustersTakeTheFarthest() throws {
    let vectors = CodeVectors(count: 5, dimension: 1, elements: [1, 1, 1, 5, 9])
    let start = ClusterStart.rows([0, 1, 2])
    let first = try KMeans(count: 3, start: start, maximumIterations: 1, emptyClusters: .takeFarthest)
      .run(vectors, on: device)
    #expect(first.clusterOf == [0, 0, 0, 2, 1])
    #expect(first.centroids.elements == [1, 9, 5] && first.meanSquaredError == 0)
  }

  @Test(arguments: [1, 2, 29, 30, 31, 77, 120]) func copiesOfCodesLeaveNoClusterEmpty(count: Int) throws {
    let few = randomVectors(30, dimension: 3, seed: 47)
    let vectors = few.rows((0..<120).map { $0 % 30 })
    for start in [ClusterStart.random, .greedyKMeansPlusPlus] {
      let result = try KMeans(
        count: count, start: start, maximumIterations: 100, emptyClusters: .takeFarthest
      ).run(vectors, on: device)
      let clusters = try CodePartition(clusterOf: result.clusterOf, clusterCount: count)
      #expect(clusters.sizes().allSatisfy { $0 > 0 } && result.converged)
      if count == 120 || (count >= 30 && start == .greedyKMeansPlusPlus) {
        #expect(result.meanSquaredError < 1e-12)
      }
    }
  }

  @Test func inertiaNeverRises() throws {
    for seed in 0..<4 as Range<UInt64> {
      let vectors = randomVectors(700, dimension: 4, clumps: 12, seed: seed)
      // Twelve clumps and random starts: some clusters run empty on the way.
      let errors = try (1...12).map {
        try KMeans(
          count: 150, start: .random, maximumIterations: $0, emptyClusters: .takeFarthest, seed: seed
        ).run(vectors, on: device).meanSquaredError
      }
      #expect(zip(errors, errors.dropFirst()).allSatisfy { $1 <= $0 * (1 + 1e-6) })
    }
  }

  @Test func restartsKeepTheBest() throws {
    let vectors = randomVectors(500, dimension: 3, clumps: 25, seed: 48)
    func run(restarts: Int, seed: UInt64) throws -> KMeans.Result {
      try KMeans(count: 25, start: .random, restarts: restarts, seed: seed).run(vectors, on: device)
    }
    let errors = try (1...6).map { try run(restarts: $0, seed: 3).meanSquaredError }
    #expect(zip(errors, errors.dropFirst()).allSatisfy { $1 <= $0 } && errors[5] < errors[0])
    #expect(try run(restarts: 6, seed: 3).restart > 0)
    #expect(try run(restarts: 1, seed: 3).clusterOf != run(restarts: 1, seed: 4).clusterOf)
  }

  @Test(arguments: [ClusterStart.random, .kMeansPlusPlus, .greedyKMeansPlusPlus])
  func doesNotDependOnThreads(start: ClusterStart) throws {
    let vectors = randomVectors(3001, dimension: 8, clumps: 60, seed: 49)
    let results = try [1, 2, 3].map {
      try KMeans(count: 70, start: start, emptyClusters: .takeFarthest).run(
        vectors, on: Device(threadCount: $0))
    }
    #expect(results.allSatisfy { $0.clusterOf == results[0].clusterOf })
    #expect(results.allSatisfy { $0.centroids == results[0].centroids })
  }

  @Test func greedyStartsAreBetter() throws {
    let vectors = randomVectors(3000, dimension: 4, clumps: 50, seed: 50)
    func mean(_ start: ClusterStart) throws -> Double {
      try (0..<5 as Range<UInt64>).reduce(0) {
        $0
          + (try KMeans(count: 50, start: start, maximumIterations: 1, seed: $1).run(vectors, on: device)
            .meanSquaredError)
      }
    }
    #expect(try mean(.greedyKMeansPlusPlus) < 0.95 * mean(.kMeansPlusPlus))
  }

  @Test func fewerVectorsThanCentroidsIsAnError() {
    let vectors = randomVectors(9, dimension: 2, seed: 45)
    #expect(throws: CodebookError.tooFewVectors(vectors: 9, centroids: 10)) {
      try KMeans(count: 10).run(vectors, on: device)
    }
  }

  @Test func usageCountsOverTheSet() {
    var usage = CodeUsage(codes: 8)
    usage.add([0, 1, 2, 3] as [UInt16])
    #expect(abs(usage.perplexity - 4) < 1e-12)
    usage.add([3, 3, 3, 5])
    #expect(usage.total == 8)
    #expect(usage.usedFraction == 5.0 / 8)
    #expect(usage.deadCodes() == [4, 6, 7])
    #expect(usage.deadCodes(below: 2) == [0, 1, 2, 4, 5, 6, 7])
    #expect(usage.perplexity > 3.9 && usage.perplexity < 4.1)
    #expect(CodeUsage(codes: 3).perplexity == 1)
  }
}
