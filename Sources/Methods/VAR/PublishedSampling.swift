import ImageModels

extension SamplingPreset {
  /// VAR's models of 256 pixels, as the page of its code has it for FID: cfg 1.5, which is a guidance scale of 2.5 that rises over the
  /// scales, top-k 900, top-p 0.96.
  public static let ofVAR: [SamplingPreset] = [16, 20, 24, 30].map { depth in
    guard let sizes = VARConfiguration.named["VAR-d\(depth)"] else {
      preconditionFailure("SamplingPreset: no model VAR-d\(depth)")
    }
    return SamplingPreset(
      "var-d\(depth)-256",
      .scales(layers: sizes.layers, heads: sizes.heads, width: sizes.width, side: 16),
      guidance: 2.5, draw: DrawOptions(topK: 900, topP: 0.96), imageSize: 256, evaluationSize: 256)
  }

  /// Whether a model of several scales is the published one.
  public func fits(_ sizes: VARConfiguration) -> Bool {
    guard case .scales(let layers, let heads, let width, let side) = model else { return false }
    return (sizes.layers, sizes.heads, sizes.width) == (layers, heads, width)
      && sizes.multiScale.scales.last == side
  }
}
