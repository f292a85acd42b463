import TensorCore
import Testing

@testable import Codebooks

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
    for start in [ClusterStart.random, .kMeansPlusPlus] {
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
