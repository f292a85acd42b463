import ImageModels
import VAR

extension TransformerConfiguration {
  /// Layers, heads and width by name: LlamaGen's, and small ones of our own for CPUs.
  public static let named: [String: (layers: Int, heads: Int, width: Int)] = [
    "GPT-B": (12, 12, 768), "GPT-L": (24, 16, 1024), "GPT-XL": (36, 20, 1280), "GPT-XXL": (48, 24, 1536),
    "GPT-3B": (24, 32, 3200), "CPU-tiny": (4, 4, 128), "CPU-small": (6, 4, 256), "CPU-medium": (8, 6, 384),
  ]
}

extension TokenizerConfiguration {
  /// LlamaGen's two tokenizers, small ones of our own for CPUs and images of 32 to 64 pixels, and those of VAR.
  public static let named: [String: TokenizerConfiguration] = [
    "VQ-8": TokenizerConfiguration(multipliers: [1, 2, 2, 4]),
    "VQ-16": TokenizerConfiguration(),
    "CPU-4": TokenizerConfiguration(
      channels: 32, multipliers: [1, 2, 4], residualBlocks: 1, zChannels: 64, codebookSize: 1024, groups: 8,
      imageSize: 32),
    "CPU-8": TokenizerConfiguration(
      channels: 32, multipliers: [1, 2, 2, 4], residualBlocks: 1, zChannels: 64, codebookSize: 1024,
      groups: 8,
      imageSize: 64),
  ].merging(namedOfVAR) { own, _ in own }
}
