import Images
import Metrics
import TensorCore
import ToolKit

/// Compares two sets image by image, in order: reconstructions with their originals.
struct PairComparison {
  let session: ToolSession
  let batchSize: Int
  let device: Device

  /// The errors of one pair.
  private struct Errors {
    var meanSquaredError = 0.0
    var signalToNoise = 0.0
    var similarity = 0.0
  }

  func run(_ reference: ImageSet, _ samples: ImageSet, into report: inout Report) throws {
    guard reference.count == samples.count else {
      throw ToolError(
        .badData,
        "\(samples.name): expected \(reference.count) images, one for each of \(reference.name); found \(samples.count); "
          + "try: the reconstructions of exactly these images")
    }
    var sum = Errors()
    let progress = session.progress("pairs", total: reference.count)
    for first in stride(from: 0, to: reference.count, by: batchSize) {
      try session.interruption.check()
      let places = first..<min(reference.count, first + batchSize)
      for errors in try compare(reference.images(places), samples.images(places)) {
        sum.meanSquaredError += errors.meanSquaredError
        sum.signalToNoise += errors.signalToNoise
        sum.similarity += errors.similarity
      }
      progress.advance(by: places.count)
    }
    progress.finish()
    let count = Double(reference.count)
    report.describePairs(reference, samples)
    report.add("mse", sum.meanSquaredError / count)
    report.add("psnr", sum.signalToNoise / count)
    report.add("ssim", sum.similarity / count)
  }

  private func compare(_ originals: [RGBImage], _ copies: [RGBImage]) throws -> [Errors] {
    let similarity = StructuralSimilarity()
    return try device.mapConcurrently(originals.count) { index in
      Result { () throws(MetricsError) in
        let error = try originals[index].meanSquaredError(to: copies[index])
        return Errors(
          meanSquaredError: error, signalToNoise: peakSignalToNoiseRatio(meanSquaredError: error),
          similarity: try similarity(originals[index], copies[index]))
      }
    }.map { try $0.get() }
  }
}
