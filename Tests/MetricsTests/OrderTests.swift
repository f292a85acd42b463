@testable import Metrics
import TensorCore
import Testing

/// Neither the order of images nor the size of batches nor the number of threads may change a result.
@Suite struct OrderTests {
  let device = Device(threadCount: 2)

  @Test(arguments: [1, 7, 100, 600]) func statisticsDoNotDependOnBatches(size: Int) throws {
    let golden = try DistributionFixture()
    let whole = try GaussianStatistics(golden.reference, on: device)
    var sums = GaussianAccumulator(dimension: golden.reference.dimension)
    for first in stride(from: 0, to: 600, by: size) {
      sums.add(golden.reference.rows(first..<min(600, first + size)), on: device)
    }
    let parts = try sums.statistics()
    #expect(parts.count == 600)
    for (a, b) in zip(parts.mean + parts.covariance, whole.mean + whole.covariance) {
      #expect(abs(a - b) < 1e-12)
    }
  }

  @Test func accumulatorsMerge() throws {
    // A large mean would cancel in sums of squares.
    let features = FeatureMatrix.random(90, dimension: 5, centre: 1e7, seed: 3)
    let whole = try GaussianStatistics(features, on: device)
    var (left, right) = (GaussianAccumulator(dimension: 5), GaussianAccumulator(dimension: 5))
    left.add(features.rows(0..<20), on: device)
    right.add(features.rows(20..<90), on: device)
    right.merge(left)
    for (a, b) in zip(try right.statistics().covariance, whole.covariance) { #expect(abs(a - b) < 1e-7) }
  }

  @Test func noMetricDependsOnOrderOrThreads() throws {
    let golden = try DistributionFixture()
    let (reference, samples) = (golden.reference.shuffled(seed: 1), golden.samples.shuffled(seed: 2))
    let single = Device(threadCount: 1)
    func values(_ a: FeatureMatrix, _ b: FeatureMatrix, _ device: Device) throws -> [Double] {
      let kernel = try KernelDistance(reference: a, samples: b, on: device)
      let both = try PrecisionRecall(reference: a, samples: b, on: device)
      let distance = try FrechetDistance.between(
        GaussianStatistics(a, on: device), GaussianStatistics(b, on: device), on: device)
      return [distance, kernel.value, kernel.standardError, both.precision, both.recall]
    }
    let expected = try values(golden.reference, golden.samples, device)
    for (a, b) in zip(try values(reference, samples, single), expected) { #expect(agree(a, b, 1e-9)) }
    let scores = [golden.logits, golden.logits.shuffled(seed: 4)].map { try? InceptionScore(logits: $0).mean }
    #expect(agree(try #require(scores[1]), try #require(scores[0]), 1e-9))
  }
}
