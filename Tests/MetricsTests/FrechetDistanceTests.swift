import Foundation
@testable import Metrics
import TensorCore
import Testing

@Suite struct FrechetDistanceTests {
  let device = Device(threadCount: 2)

  private func statistics(_ features: FeatureMatrix) throws -> GaussianStatistics {
    try GaussianStatistics(features, on: device)
  }

  /// Diagonal covariances turned by one rotation have the distance sum (sqrt a - sqrt b)² + |mean|².
  @Test func commutingCovariancesHaveAClosedForm() throws {
    let (a, b, angle) = ([4.0, 0.25], [1.0, 9.0], 0.7)
    func turned(_ v: [Double]) -> [Double] {
      let (c, s) = (cos(angle), sin(angle))
      let cross = c * s * (v[0] - v[1])
      return [c * c * v[0] + s * s * v[1], cross, cross, s * s * v[0] + c * c * v[1]]
    }
    let distance = try FrechetDistance.between(
      GaussianStatistics(count: nil, mean: [0, 0], covariance: turned(a)),
      GaussianStatistics(count: nil, mean: [3, 4], covariance: turned(b)), on: device)
    #expect(abs(distance - (25 + 1 + 6.25)) < 1e-10)
  }

  @Test(arguments: [(400, 64), (50, 64), (3, 64), (300, 200)])
  func aSetIsAtNoDistanceFromItself(count: Int, dimension: Int) throws {
    let features = FeatureMatrix.random(count, dimension: dimension, centre: 0.4, seed: 5)
    let once = try statistics(features)
    #expect(try FrechetDistance.between(once, once, on: device) == 0)
    let again = try statistics(features.shuffled(seed: 6))
    #expect(once != again)
    #expect(try FrechetDistance.between(once, again, on: device) < 1e-6)
  }

  @Test func fewerImagesThanDimensionsWork() throws {
    let (few, many) = (
      FeatureMatrix.random(20, dimension: 50, seed: 7), FeatureMatrix.random(400, dimension: 50, seed: 8)
    )
    let (a, b) = (try statistics(few), try statistics(many))
    let forward = try FrechetDistance(to: a, on: device).distance(to: b)
    let backward = try FrechetDistance(to: b, on: device).distance(to: a)
    #expect(forward > 0 && agree(forward, backward, 1e-9))
  }

  @Test func movingASetMovesItByTheSquare() throws {
    let features = FeatureMatrix.random(300, dimension: 10, seed: 9)
    let moved = FeatureMatrix(count: 300, dimension: 10, elements: features.elements.map { $0 + 0.5 })
    #expect(
      agree(try FrechetDistance.between(statistics(features), statistics(moved), on: device), 2.5, 1e-9))
  }

  @Test func extrapolationTakesTheBiasAway() throws {
    let reference = try statistics(.random(20_000, dimension: 16, seed: 10))
    let samples = FeatureMatrix.random(600, dimension: 16, seed: 11)
    let plain = try FrechetDistance(to: reference, on: device).distance(to: statistics(samples))
    let limit = try ExtrapolatedFrechet(reference: reference, samples: samples, seed: 1, on: device)
    // Both sets are of one distribution: the true distance is 0, and what is seen is bias.
    #expect(abs(limit.value) < plain / 2)
    #expect(limit.standardError > 0 && limit.standardError < plain)
    #expect(limit.points.map(\.count).first == 60 && limit.points.last?.count == 600)
    #expect(agree(limit.points.last?.distance ?? 0, plain, 1e-9))
    #expect(try limit == ExtrapolatedFrechet(reference: reference, samples: samples, seed: 1, on: device))
  }

  @Test func wrongStatisticsAreRefused() throws {
    #expect(throws: MetricsError.notFinite(row: 0, column: 1)) {
      try GaussianStatistics(count: 5, mean: [0, .nan], covariance: [1, 0, 0, 1])
    }
    #expect(throws: MetricsError.notACovariance(reason: "the variance -1.0 in column 1")) {
      try GaussianStatistics(count: 5, mean: [0, 0], covariance: [1, 0, 0, -1])
    }
    #expect(throws: MetricsError.notACovariance(reason: "0.0 and 0.5 in mirrored places (1, 0)")) {
      try GaussianStatistics(count: 5, mean: [0, 0], covariance: [1, 0.5, 0, 1])
    }
    #expect(throws: MetricsError.tooFewImages(metric: "covariance", found: 1, needed: 2)) {
      try statistics(.random(1, dimension: 3, seed: 1))
    }
    #expect(throws: MetricsError.dimensionMismatch(reference: 3, samples: 4)) {
      try FrechetDistance.between(
        statistics(.random(9, dimension: 3, seed: 1)), statistics(.random(9, dimension: 4, seed: 1)),
        on: device)
    }
  }
}
