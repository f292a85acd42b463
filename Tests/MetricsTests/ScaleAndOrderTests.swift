@testable import Metrics
import TensorCore
import Testing

/// Scores depend neither on the order of the images nor on the size of the features.
@Suite struct ScaleAndOrderTests {
  private let device = Device(threadCount: 2)

  /// Certain logits, class after class.
  private func sorted(classes: Int, perClass: Int) -> FeatureMatrix {
    var random = CounterRandom(seed: 3, purpose: .test)
    var elements: [Double] = []
    for label in 0..<classes {
      for _ in 0..<perClass {
        elements += (0..<classes).map { ($0 == label ? 8 : 0) + random.normal() }
      }
    }
    return FeatureMatrix(count: classes * perClass, dimension: classes, elements: elements)
  }

  @Test func theInceptionScoreDoesNotDependOnTheOrder() throws {
    let logits = sorted(classes: 10, perClass: 50)
    var random = CounterRandom(seed: 4, purpose: .test)
    let shuffled = logits.rows(random.permutation(logits.count))
    let one = try InceptionScore(logits: logits, splits: 5).mean
    let other = try InceptionScore(logits: shuffled, splits: 5).mean
    let consecutive = try InceptionScore(logits: logits, splits: 5, order: .file).mean
    #expect(abs(one / other - 1) < 0.02, "\(one) and \(other)")
    #expect(consecutive < 0.4 * one, "two classes a split: \(consecutive)")
    #expect(try InceptionScore(logits: logits, splits: 5, order: .random(seed: 1)).mean != one)
    #expect(try InceptionScore(logits: logits, order: .file) == InceptionScore(logits: logits))
  }

  @Test func classOrderIsNoticed() {
    let logits = sorted(classes: 10, perClass: 50)
    #expect(InceptionScore.isInClassOrder(logits))
    for seed in 0..<20 {
      var random = CounterRandom(seed: UInt64(seed), purpose: .test)
      #expect(!InceptionScore.isInClassOrder(logits.rows(random.permutation(logits.count))))
    }
    #expect(!InceptionScore.isInClassOrder(sorted(classes: 1, perClass: 30)))
  }

  @Test(arguments: [1e-30, 1e-18, 1e15, 1e20, 1e30, 1e39])
  func precisionAndRecallDoNotDependOnTheScale(factor: Double) throws {
    let reference = FeatureMatrix.random(200, dimension: 12, seed: 30)
    let samples = FeatureMatrix.random(220, dimension: 12, centre: 0.2, seed: 31)
    func scaled(_ set: FeatureMatrix) -> FeatureMatrix {
      FeatureMatrix(count: set.count, dimension: set.dimension, elements: set.elements.map { $0 * factor })
    }
    let plain = try PrecisionRecall(reference: reference, samples: samples, on: device)
    let large = try PrecisionRecall(reference: scaled(reference), samples: scaled(samples), on: device)
    #expect(plain == large && plain.precision > 0)
  }

  @Test func farQueriesAreOutside() throws {
    let reference = FeatureMatrix.random(50, dimension: 4, seed: 32)
    var far = FeatureMatrix(count: 1, dimension: 4, elements: .init(repeating: 1e30, count: 4))
    let near = FeatureMatrix.random(50, dimension: 4, seed: 33)
    far.append(near)
    let manifold = try Manifold(reference, k: 3, on: device)
    let (found, expected) = (manifold.contains(far), manifold.contains(near))
    #expect(!found[0] && Array(found.dropFirst()) == expected)
    let nearest = try NearestNeighbours(1, of: far, in: reference, on: device)
    #expect(nearest[0].count == 1 && nearest[0][0].squaredDistance.isFinite)
  }

  @Test func absurdFeaturesAreRefused() {
    let large = FeatureMatrix(count: 5, dimension: 1, elements: [1, 2, 3, 4, 1e41])
    #expect(throws: MetricsError.notFinite(row: 4, column: 0)) { try large.requireFinite() }
    let wide = FeatureMatrix(count: 2, dimension: 50_000, elements: .init(repeating: 1, count: 100_000))
    #expect(throws: MetricsError.tooManyFeatures(found: 50_000, limit: GaussianStatistics.maximumDimension)) {
      try GaussianStatistics(wide, on: device)
    }
  }
}
