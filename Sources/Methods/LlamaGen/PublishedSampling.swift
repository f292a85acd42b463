import ImageModels

extension SamplingPreset {
  /// LlamaGen's class-conditional models: of the guidance scales in Tables 8 to 10 of its paper the one of the lowest FID after the
  /// longest training, which is 300 epochs, and 50 for XL, XXL and 3B at 256 pixels. All have top-k 0, top-p 1, temperature 1,
  /// and are judged at 256 pixels. No weights of the latter three were released.
  public static let ofLlamaGen: [SamplingPreset] = llamaGen(
    "llamagen-c2i",
    guidance: [
      256: [("B", 2), ("L", 1.75), ("XL", 1.75), ("XXL", 1.75), ("3B", 1.5)],
      384: [("B", 2.25), ("L", 2), ("XL", 1.75), ("XXL", 1.75), ("3B", 1.65)],
    ])

  /// Presets of models of LlamaGen's sizes, 16 pixels per token.
  /// - Parameter guidance: the side of the images in pixels, and for each size its guidance scale.
  public static func llamaGen(_ prefix: String, guidance: [Int: [(size: String, scale: Double)]])
    -> [SamplingPreset]
  {
    guidance.sorted { $0.key < $1.key }.flatMap { pixels, scales in
      scales.map { size, scale in
        guard let sizes = TransformerConfiguration.named["GPT-" + size] else {
          preconditionFailure("SamplingPreset: no model GPT-\(size)")
        }
        return SamplingPreset(
          "\(prefix)-\(size)-\(pixels)",
          .raster(layers: sizes.layers, heads: sizes.heads, width: sizes.width, side: pixels / 16),
          guidance: scale, imageSize: pixels, evaluationSize: 256)
      }
    }
  }
}
