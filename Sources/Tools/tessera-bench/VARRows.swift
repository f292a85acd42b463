import ImageModels
import TensorCore
import VAR

extension BenchmarkRow {
  /// VAR's model and tokenizer at their true sizes, images of 256 pixels. They run only where they are named.
  static func var256(_ precision: SamplingPrecision) -> [BenchmarkRow] {
    guard let tokenizer = TokenizerConfiguration.namedOfVAR["VAR-256"] else { return [] }
    var rows = [encodingScales(tokenizer)]
    // The transformer has no packed weights, and so no int8.
    if precision != .int8 { rows += [1, 8].compactMap { samplingScales(tokenizer, images: $0) } }
    return rows
  }

  /// Images to tokens of all scales.
  private static func encodingScales(_ configuration: TokenizerConfiguration) -> BenchmarkRow {
    BenchmarkRow(name: "encode-VAR-256", unit: "images", units: 1, operations: nil) { device in
      let model = Tokenizer(configuration, device: device, seed: 1)
      model.freeze()
      let image = device.full([1, configuration.imageSize, configuration.imageSize, 3], 0.1)
      return { _ = try? model.tokens(of: image) }
    }
  }

  /// Drawing a batch by VAR-d16, with VAR's settings.
  private static func samplingScales(_ tokenizer: TokenizerConfiguration, images: Int) -> BenchmarkRow? {
    let name = "VAR-d16-\(images)"
    guard let multiScale = tokenizer.multiScale, let shape = VARConfiguration.named["VAR-d16"] else {
      return nil
    }
    let configuration = VARConfiguration(
      layers: shape.layers, heads: shape.heads, width: shape.width, vocabularySize: tokenizer.codebookSize,
      codeDimension: tokenizer.codeDimension, classCount: 1000, multiScale: multiScale)
    return BenchmarkRow(name: name, unit: "images", units: Double(images)) { device in
      let model = VARTransformer(configuration, device: device, seed: 1)
      model.adopt(Tokenizer(tokenizer, device: device, seed: 2))
      let generator = ScaleGenerator(model)
      device.memory.trim()
      return {
        do {
          _ = try generator.generate(
            labels: (0..<images).map { $0 * 97 % 1000 }, imageIndices: Array(0..<images),
            guidance: Guidance(scale: 2.5, schedule: .linear), draw: DrawOptions(topK: 900, topP: 0.96),
            seed: 1)
        } catch {
          preconditionFailure("\(name): \(error)")
        }
      }
    }
  }
}
