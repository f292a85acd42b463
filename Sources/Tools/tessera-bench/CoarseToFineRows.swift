import CTF
import ImageModels
import TensorCore

extension BenchmarkRow {
  /// Coarse-to-fine prediction beside the baseline of the same width and depth: 16,384 codes, 512 coarse labels, a grid
  /// of 16 x 16, 32 images, guidance 2 in the first stage and none in the second.
  static func comparisons(_ precision: SamplingPrecision) -> [BenchmarkRow] {
    [4, 12].flatMap { layers in
      [
        comparison("baseline-\(layers)x256", layers: layers, isCoarse: false, precision),
        comparison("ctf-\(layers)x256", layers: layers, isCoarse: true, precision),
      ]
    }
  }

  private static func comparison(
    _ name: String, layers: Int, isCoarse: Bool, _ precision: SamplingPrecision
  ) -> BenchmarkRow {
    let (codes, coarseCodes, images) = (16384, 512, 32)
    var sizes = TransformerConfiguration(
      layers: layers, heads: 4, width: 256, vocabularySize: isCoarse ? coarseCodes : codes, gridRows: 16,
      gridColumns: 16, classCount: 10)
    let first = sizes
    (sizes.vocabularySize, sizes.inputVocabularySize) = (codes, coarseCodes)
    let second = sizes
    return BenchmarkRow(
      name: name, unit: "tokens", units: Double(images * first.tokenCount), operations: nil
    ) { device in
      let labels = (0..<images).map { $0 % 10 }
      let model = PackedTransformer(Transformer(first, device: device, seed: 1), precision: precision)
      let drawing = ModelStage(
        model, ModelDescription(codebookSHA256: "", classNames: [], clusterSize: 0), labels: labels,
        guidance: Guidance(scale: 2), draw: DrawOptions(), seed: 1)
      let mapping = (0..<codes).map { $0 * 7919 % coarseCodes }
      let filling =
        isCoarse
        ? FineStage(
          FineModel(Transformer(second, device: device, seed: 2), fineToCoarse: mapping, isMasked: true),
          FineModelDescription(codebookSHA256: "", coarseCodebookSHA256: "", classNames: []), path: name,
          guidance: 1, draw: DrawOptions())
        : nil
      let sampler = StagedSampler(first: drawing, second: filling, seed: 1)
      return {
        do {
          _ = try sampler.draw(0..<images)
        } catch {
          preconditionFailure("\(name): \(error)")
        }
      }
    }
  }
}
