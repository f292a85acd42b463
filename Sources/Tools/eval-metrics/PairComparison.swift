import FeatureNetworks
import Images
import Metrics
import StreamFormat
import TensorCore
import ToolRuntime

/// Compares two sets image by image: reconstructions with their originals.
struct PairComparison {
  let session: ToolSession
  let batchSize: Int
  let device: Device
  /// LPIPS, where its weights were given.
  let perceptual: PerceptualDistance?
  /// Whether names do not count.
  let inOrder: Bool

  /// The errors of one pair.
  private struct Errors {
    var meanSquaredError = 0.0
    var similarity = 0.0
  }

  func run(_ reference: ImageSet, _ samples: ImageSet, into report: inout Report) throws {
    guard reference.count == samples.count else {
      throw ToolError(
        .badData, samples.name,
        expected: "\(reference.count) images, one for each of \(reference.name)",
        found: "\(samples.count)",
        try: "the reconstructions of exactly these images")
    }
    let partners = try inOrder ? Array(0..<samples.count) : Pairing(reference, samples).partners
    var (sum, perceptualSum) = (Errors(), 0.0)
    // The ratio of an exact pair is infinite: one of them would make the mean say nothing of the others.
    var (ratioSum, exact) = (0.0, 0)
    try session.requireMemory(forBatchOf: batchSize, of: reference, sides: 2)
    let progress = session.progress("pairs", total: reference.count)
    for first in stride(from: 0, to: reference.count, by: batchSize) {
      try session.interruption.check()
      let places = first..<min(reference.count, first + batchSize)
      let (originals, copies) = (
        try reference.images(places), try samples.images(places.map { partners[$0] })
      )
      for errors in try compare(originals, copies) {
        sum.meanSquaredError += errors.meanSquaredError
        sum.similarity += errors.similarity
        if errors.meanSquaredError == 0 {
          exact += 1
        } else {
          ratioSum += peakSignalToNoiseRatio(meanSquaredError: errors.meanSquaredError)
        }
      }
      perceptualSum += try perceptualDistances(originals, copies, samples.name).reduce(0, +)
      progress.advance(by: places.count)
    }
    try reference.finish()
    try samples.finish()
    progress.finish()
    let count = Double(reference.count)
    report.describePairs(reference, samples)
    report.add("mse", sum.meanSquaredError / count)
    report.add("psnr", exact == reference.count ? .infinity : ratioSum / (count - Double(exact)))
    report.exactPairs = exact
    if exact > 0, exact < reference.count {
      report.warnings.append(
        "psnr: \(exact) of \(reference.count) pairs are equal; the mean is over the others, since theirs is infinite"
      )
    }
    report.add("ssim", sum.similarity / count)
    if let perceptual {
      report.add(perceptual.trunk.rawValue, perceptualSum / count)
      report.settings["lpips_weights_sha256"] = .string(perceptual.weightsSHA256)
    }
  }

  /// None without LPIPS; the pairs are known to be of equal size.
  private func perceptualDistances(
    _ originals: [RGBImage], _ copies: [RGBImage], _ name: String
  ) throws -> [Double] {
    guard let perceptual else { return [] }
    if let image = originals.first(where: { min($0.width, $0.height) < 32 }) {
      throw ToolError(
        .badData, name,
        expected: "images of at least 32x32 pixels, for LPIPS",
        found: "\(image.width)x\(image.height)",
        try: "larger images, or leave --lpips-weights out")
    }
    return perceptual.distances(originals, copies)
  }

  private func compare(_ originals: [RGBImage], _ copies: [RGBImage]) throws -> [Errors] {
    let similarity = StructuralSimilarity()
    return try device.mapConcurrently(originals.count) { index in
      Result { () throws(MetricsError) in
        let error = try originals[index].meanSquaredError(to: copies[index])
        return Errors(
          meanSquaredError: error, similarity: try similarity(originals[index], copies[index]))
      }
    }.map { try $0.get() }
  }
}

extension PerceptualDistance {
  /// LPIPS with the trunk that its weights are for.
  convenience init(weights: Record, device: Device) throws {
    struct Configuration: Decodable { var name: String }
    try weights.require(kind: .network)
    let name = try weights.jsonMetadata("config", as: Configuration.self).name
    guard let trunk = Trunk(rawValue: name) else {
      throw FormatError(
        .wrongKind, at: weights.origin,
        expected: "the weights of " + Trunk.allCases.map(\.rawValue).joined(separator: " or "), found: name,
        hint: "import-weights --as lpips-alex makes them")
    }
    try self.init(trunk, weights: weights, device: device)
  }
}
