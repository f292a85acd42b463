import Images
@testable import Metrics
import StreamFormat
import Testing
import TestSupport

@Suite struct PairTests {
  private func image(_ stored: StoredTensor) -> RGBImage {
    RGBImage(width: stored.shape[1], height: stored.shape[0], pixels: stored.bytes)
  }

  @Test(arguments: ["wide", "window", "square", "dark"]) func errorsAreThoseOfScikitImage(name: String) throws
  {
    let record = try Fixture("metrics/pairs.safetensors").record
    let (a, b) = (image(try record.tensor(name + ".a")), image(try record.tensor(name + ".b")))
    let expected = try record.tensor(name + ".expected").doubles()
    let error = try a.meanSquaredError(to: b)
    #expect(agree(error, expected[0], 1e-12))
    #expect(agree(peakSignalToNoiseRatio(meanSquaredError: error), expected[1], 1e-12))
    #expect(agree(try StructuralSimilarity()(a, b), expected[2], 1e-9))
    #expect(agree(try StructuralSimilarity()(b, a), expected[2], 1e-9))
    #expect(abs(try StructuralSimilarity()(a, a) - 1) < 1e-12)
  }

  @Test func equalImagesHaveNoError() throws {
    let image = RGBImage(width: 12, height: 12, filledWith: .white)
    #expect(try image.meanSquaredError(to: image) == 0)
    #expect(peakSignalToNoiseRatio(meanSquaredError: 0) == .infinity)
  }

  @Test func wrongSizesAreRefused() {
    let (small, large) = (
      RGBImage(width: 10, height: 40, filledWith: .white), RGBImage(width: 40, height: 10, filledWith: .white)
    )
    #expect(throws: MetricsError.sizeMismatch(expected: "10x40", found: "40x10")) {
      try small.meanSquaredError(to: large)
    }
    #expect(throws: MetricsError.imageTooSmall(width: 10, height: 40, needed: 11)) {
      try StructuralSimilarity()(small, small)
    }
  }
}
