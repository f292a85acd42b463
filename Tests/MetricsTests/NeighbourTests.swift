@testable import Metrics
import TensorCore
import Testing

@Suite struct NeighbourTests {
  let device = Device(threadCount: 2)

  /// All distances in float64, sorted: the slow obvious way.
  private func sorted(_ query: Int, _ queries: FeatureMatrix, _ references: FeatureMatrix) -> [(Int, Double)]
  {
    (0..<references.count).map { i in
      (i, zip(queries[query], references[i]).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) })
    }.sorted { ($0.1, $0.0) < ($1.1, $1.0) }
  }

  @Test(arguments: [(300, 40, 0.0), (1100, 9, 1e4), (70, 300, -20.0)])
  func nearestAreExact(count: Int, dimension: Int, centre: Double) throws {
    let references = FeatureMatrix.random(count, dimension: dimension, centre: centre, seed: 20)
    let queries = FeatureMatrix.random(270, dimension: dimension, centre: centre, seed: 21)
    let found = try NearestNeighbours(4, of: queries, in: references, on: device)
    for query in 0..<queries.count {
      let expected = sorted(query, queries, references).prefix(4)
      #expect(found[query].map(\.index) == expected.map { $0.0 })
      for (a, b) in zip(found[query], expected) { #expect(agree(a.squaredDistance, b.1, 1e-12)) }
    }
  }

  /// Distances that differ by less than float32 can tell are told apart.
  @Test func hairbreadthsCount() throws {
    var rows: [Double] = []
    for i in 0..<50 { rows += [1 + Double((i * 37) % 50) * 1e-9, 1000] }
    let references = FeatureMatrix(count: 50, dimension: 2, elements: rows)
    let found = try NearestNeighbours(
      3, of: FeatureMatrix(count: 1, dimension: 2, elements: [0, 1000]), in: references, on: device)
    #expect(found[0].map { rows[2 * $0.index] } == [1, 1 + 1e-9, 1 + 2e-9])
  }

  @Test func copiesAreAtDistanceZero() throws {
    let set = FeatureMatrix.random(30, dimension: 6, seed: 22)
    var twice = set
    twice.append(set)
    let found = try NearestNeighbours(1, within: twice, on: device)
    #expect(found.indices == Array(30..<60) + Array(0..<30))
    #expect(found.squaredDistances.allSatisfy { $0 == 0 })
  }

  @Test func precisionAndRecallAreThoseOfTheDefinition() throws {
    let reference = FeatureMatrix.random(320, dimension: 5, seed: 23)
    let samples = FeatureMatrix.random(290, dimension: 5, centre: 0.3, seed: 24)
    func share(_ queries: FeatureMatrix, _ set: FeatureMatrix, _ k: Int) -> Double {
      let radii = (0..<set.count).map { sorted($0, set, set)[k].1 }
      let inside = (0..<queries.count).filter { query in
        sorted(query, queries, set).contains { $0.1 <= radii[$0.0] }
      }
      return Double(inside.count) / Double(queries.count)
    }
    for k in [1, 3] {
      let both = try PrecisionRecall(reference: reference, samples: samples, k: k, on: device)
      #expect(both.precision == share(samples, reference, k) && both.recall == share(reference, samples, k))
      #expect(both.precision > 0 && both.precision < 1)
    }
  }

  @Test func aSetCoversItself() throws {
    let set = FeatureMatrix.random(100, dimension: 20, seed: 25)
    let both = try PrecisionRecall(reference: set, samples: set.shuffled(seed: 1), on: device)
    #expect(both.precision == 1 && both.recall == 1)
  }

  @Test func collapsedSamplesHaveNoRecall() throws {
    let reference = FeatureMatrix.random(100, dimension: 4, seed: 26)
    let point = FeatureMatrix(count: 900, dimension: 4, elements: .init(repeating: 0.25, count: 3600))
    let both = try PrecisionRecall(reference: reference, samples: point, on: device)
    #expect(both.recall == 0)
  }

  @Test func tooFewImagesAreRefused() throws {
    let few = FeatureMatrix.random(3, dimension: 4, seed: 27)
    let enough = FeatureMatrix.random(4, dimension: 4, seed: 28)
    #expect(throws: MetricsError.self) { try PrecisionRecall(reference: few, samples: enough, on: device) }
    #expect(throws: MetricsError.self) { try PrecisionRecall(reference: enough, samples: few, on: device) }
    #expect(throws: Never.self) { try PrecisionRecall(reference: enough, samples: enough, on: device) }
  }

  @Test func notANumberIsRefused() throws {
    var elements = FeatureMatrix.random(10, dimension: 4, seed: 29).elements
    elements[7] = .nan
    let bad = FeatureMatrix(count: 10, dimension: 4, elements: elements)
    let good = FeatureMatrix.random(10, dimension: 4, seed: 30)
    let expected = MetricsError.notFinite(row: 1, column: 3)
    #expect(throws: expected) { try bad.requireFinite() }
    #expect(throws: expected) { try PrecisionRecall(reference: good, samples: bad, on: device) }
    #expect(throws: expected) { try KernelDistance(reference: bad, samples: good, on: device) }
    #expect(throws: expected) { try InceptionScore(logits: bad) }
    #expect(throws: MetricsError.notFinite(row: 0, column: 3)) { try GaussianStatistics(bad, on: device) }
  }

  @Test func duplicatesAreCounted() {
    let counts = Duplicates(samples: [1, 2, 1, 1, 9], reference: [9, 9, 2])
    #expect(counts.withinSamples == 2 && counts.inReference == 2)
    #expect(Duplicates(samples: [1], reference: [Int]?.none).inReference == nil)
  }
}
