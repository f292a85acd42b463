import ImageModels
import TensorCore

extension BenchmarkRow {
  /// Drawing a batch with guidance.
  static func sampling(_ precision: SamplingPrecision) -> [BenchmarkRow] {
    let small = model(6, 4, 256, 1024, 8)
    let base = model(12, 12, 768, 16384, 16)
    return [
      sampling("sample-6x256", small, images: 64, precision),
      sampling("sample-GPT-B", base, images: 8, precision),
      sampling("sample-GPT-B-1", base, images: 1, precision),
    ]
  }

  private static func sampling(
    _ name: String, _ configuration: TransformerConfiguration, images: Int, _ precision: SamplingPrecision
  ) -> BenchmarkRow {
    let tokens = images * configuration.tokenCount
    let output = configuration.vocabularySize * configuration.width
    let embeddings = output + (configuration.classCount + 1) * configuration.width
    let blocks = configuration.scalarCount - embeddings - output
    // Each token takes two rows through the blocks and one through the output; one image alone reads all
    // weights for them.
    let operations = Double(tokens) * Double(4 * blocks + 2 * output)
    let bytes = Double(tokens * (blocks + output)) * precision.bytesPerWeight
    var row = BenchmarkRow(name: name, unit: "tokens", units: Double(tokens)) { device in
      let generator = TokenGenerator(
        Transformer(configuration, device: device, seed: 1), precision: precision)
      device.memory.trim()
      return {
        do {
          _ = try generator.generate(
            labels: (0..<images).map { $0 % 1000 }, imageIndices: Array(0..<images),
            guidance: Guidance(scale: 2), draw: DrawOptions(), seed: 1)
        } catch {
          preconditionFailure("\(name): \(error)")
        }
      }
    }
    if images > 1 { row.operations = operations } else { row.bytes = bytes }
    return row
  }
}

extension SamplingPrecision {
  fileprivate var bytesPerWeight: Double {
    switch self {
    case .float32: 4
    case .bfloat16: 2
    case .int8: 1
    }
  }
}
