import Evaluation
import FeatureNetworks
import Images
import Metrics
import StreamFormat
import TensorCore
import ToolRuntime

/// Shows images to a network.
struct FeatureExtraction {
  let session: ToolSession
  let network: any FeatureNetwork
  let batchSize: Int
  let device: Device

  /// The features of a set of images; `visit` sees each batch, and the hashes of its images' pixels, as it comes.
  func run(
    _ images: ImageSet, kind: String, visit: (FeatureBatch, [String]) throws -> Void = { _, _ in }
  ) throws -> FeatureSet {
    var gatherer = FeatureGatherer(
      path: images.name, kind: kind, network: NetworkIdentity(network), on: device)
    try session.requireMemory(forBatchOf: batchSize, of: images)
    let progress = session.progress("images", total: images.count)
    try images.forEachBatch(of: batchSize) { pictures in
      try session.interruption.check()
      let batch = try network.extract(pictures)
      let hashes = pictures.map { SHA256Hasher.hex(of: $0.pixels) }
      try gatherer.add(
        features: FeatureMatrix(batch.features), spatial: batch.spatial.map { FeatureMatrix($0) },
        logits: batch.logits.map { FeatureMatrix($0) }, pixelHashes: hashes)
      try visit(batch, hashes)
      progress.advance(by: pictures.count)
    }
    try images.finish()
    progress.finish()
    return try gatherer.finish()
  }
}

extension ToolSession {
  /// Stops where a batch of images cannot fit; the first image says how large they are.
  /// - Throws: `ToolError` (failed).
  func requireMemory(forBatchOf batchSize: Int, of images: ImageSet, sides: Int = 1) throws {
    guard images.count > 0 else { return }
    let first = try images.images(0..<1)
    let bytes = first.reduce(0) { $0 + Double($1.pixels.count) } * Double(sides)
    let count = min(batchSize, images.count)
    try requireMemory(
      MemoryEstimate([("a batch of \(count)", bytes * Double(count))], advice: "a smaller --batch-size"))
  }
}

extension Device {
  /// The results of a function of 0..<count, computed on all threads.
  func mapConcurrently<Value>(_ count: Int, _ transform: (Int) -> Value) -> [Value] {
    var results = [Value?](repeating: nil, count: count)
    results.withUnsafeMutableBufferPointer { results in
      forRanges(count) { range in for index in range { results[index] = transform(index) } }
    }
    return results.map { $0! }
  }
}

extension MetricsError: ExitCoded {
  /// Bad data; a matrix that does not converge is a failure.
  public var exitCode: ToolExit {
    if case .noConvergence = self { .failed } else { .badData }
  }
}

extension FeatureNetworkError: ExitCoded {
  /// A network that is named wrongly or incompletely is a usage error.
  public var exitCode: ToolExit { .usage }
}
