@testable import Metrics
import Testing

@Suite struct InceptionScoreTests {
  @Test func certainAndVariedImagesScoreTheNumberOfClasses() throws {
    var logits = [Double](repeating: 0, count: 25)
    for i in 0..<5 { logits[i * 6] = 1000 }
    let score = try InceptionScore(logits: FeatureMatrix(count: 5, dimension: 5, elements: logits))
    #expect(agree(score.mean, 5, 1e-12))
  }

  @Test func equalImagesScoreOne() throws {
    let logits = FeatureMatrix(count: 8, dimension: 2, elements: .init(repeating: 3, count: 16))
    let score = try InceptionScore(logits: logits, splits: 3)
    #expect(agree(score.mean, 1, 1e-12) && score.standardDeviation < 1e-12)
  }

  @Test func splitsAreConsecutive() throws {
    let logits = FeatureMatrix.random(31, dimension: 6, seed: 40)
    let score = try InceptionScore(logits: logits, splits: 2, order: .file)
    let parts = try [0..<15, 15..<31].map { try InceptionScore(logits: logits.rows($0)).mean }
    #expect(agree(score.mean, (parts[0] + parts[1]) / 2, 1e-12))
    #expect(agree(score.standardDeviation, abs(parts[0] - parts[1]) / 2, 1e-9))
    #expect(throws: MetricsError.self) { try InceptionScore(logits: logits, splits: 32) }
  }
}
