import ImageModels

extension MultiScaleConfiguration {
  /// The quantiser of VAR's models of 256-pixel images.
  public static let published256 = MultiScaleConfiguration()
  /// The quantiser of VAR's models of 512-pixel images: the same weights, other scales.
  public static let published512 = MultiScaleConfiguration(scales: [1, 2, 3, 4, 6, 9, 13, 18, 24, 32])
}

extension TokenizerConfiguration {
  /// VAR's tokenizer at its two sizes of images, and small ones of our own for CPUs and images of 32 to 64 pixels.
  public static let namedOfVAR: [String: TokenizerConfiguration] = [
    "VAR-256": published(.published256, imageSize: 256),
    "VAR-512": published(.published512, imageSize: 512),
    "CPU-VAR-4": small([1, 2, 4], MultiScaleConfiguration(scales: [1, 2, 3, 4, 6, 8]), imageSize: 32),
    "CPU-VAR-8": small([1, 2, 2, 4], MultiScaleConfiguration(scales: [1, 2, 3, 4, 6, 8]), imageSize: 64),
  ]

  private static func published(_ scales: MultiScaleConfiguration, imageSize: Int) -> TokenizerConfiguration {
    TokenizerConfiguration(
      channels: 160, zChannels: 32, codebookSize: 4096, codeDimension: 32, normalizesCodes: false,
      imageSize: imageSize, codeKernel: 3, multiScale: scales)
  }

  private static func small(_ multipliers: [Int], _ scales: MultiScaleConfiguration, imageSize: Int)
    -> TokenizerConfiguration
  {
    TokenizerConfiguration(
      channels: 32, multipliers: multipliers, residualBlocks: 1, zChannels: 16, codebookSize: 512,
      codeDimension: 16, normalizesCodes: false, groups: 8, imageSize: imageSize, codeKernel: 3,
      multiScale: scales)
  }
}
