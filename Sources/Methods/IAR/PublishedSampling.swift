import ImageModels
import LlamaGen

extension SamplingPreset {
  /// IAR's models, of LlamaGen's sizes: Table A2 of its paper, with top-k 0, top-p 1 and temperature 1.
  public static let ofIAR: [SamplingPreset] = llamaGen(
    "iar",
    guidance: [
      256: [("B", 2), ("L", 2), ("XL", 1.75), ("XXL", 2)],
      384: [("B", 2.25), ("L", 1.75), ("XL", 1.75), ("XXL", 1.65)],
    ])
}
