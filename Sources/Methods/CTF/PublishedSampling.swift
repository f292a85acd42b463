import ImageModels

extension SamplingPreset {
  /// CTF's models of all sizes: Section 5.1 of its paper, the same temperature and top-k in both stages. Whether the second stage is
  /// guided is not said; here it is not.
  public static let ofCTF: [SamplingPreset] = [
    SamplingPreset(
      "ctf", .coarse(labels: 512, side: 16), guidance: 2, draw: DrawOptions(temperature: 1.1),
      fineDraw: DrawOptions(temperature: 1.1), imageSize: 256, evaluationSize: 256)
  ]
}
