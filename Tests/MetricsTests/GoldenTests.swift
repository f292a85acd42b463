@testable import Metrics
import TensorCore
import Testing
import TestSupport

@Suite struct GoldenTests {
  let device = Device(threadCount: 2)

  @Test func frechetDistanceIsTheReferences() throws {
    let golden = try DistributionFixture()
    let distance = try FrechetDistance.between(
      GaussianStatistics(golden.reference, on: device), GaussianStatistics(golden.samples, on: device),
      on: device)
    #expect(agree(distance, try golden.expected("fid"), 1e-8))
  }

  @Test func inceptionScoreIsTheReferences() throws {
    let golden = try DistributionFixture()
    let score = try InceptionScore(logits: golden.logits)
    #expect(agree(score.mean, try golden.expected("inception_score"), 1e-8))
    #expect(score.standardDeviation == 0)
  }

  @Test func precisionAndRecallAreTheReferences() throws {
    let golden = try DistributionFixture()
    let both = try PrecisionRecall(reference: golden.reference, samples: golden.samples, on: device)
    #expect(agree(both.precision, try golden.expected("precision"), 1e-8))
    #expect(agree(both.recall, try golden.expected("recall"), 1e-8))
  }

  @Test func kernelDistanceIsThatOfAllPairs() throws {
    let golden = try DistributionFixture()
    let expected = try Fixture("metrics/kernel_distance.safetensors").record
    let all = try KernelDistance(reference: golden.reference, samples: golden.samples, on: device)
    #expect(agree(all.value, try expected.tensor("all").doubles()[0], 1e-8))
    let small = try KernelDistance(
      reference: golden.reference.rows(0..<40), samples: golden.samples.rows(0..<30), on: device)
    let values = try expected.tensor("small").doubles()
    #expect(agree(small.value, values[0], 1e-8))
    #expect(agree(small.standardError, values[1], 1e-8))
  }
}
