import CTF
import ImageModels
import LlamaGen
import TensorCore

/// Drawing a batch of images in one stage or in two. Speed does not wait for training: the weights are random.
private struct DrawnBatch: Sendable {
  /// The autoregressive model.
  var first: TransformerConfiguration
  /// The model of all codes at once, in coarse-to-fine prediction.
  var second: TransformerConfiguration?
  var images: Int

  /// 16,384 codes, 512 coarse labels and a grid of 16 x 16, as in CTF's paper.
  /// - Parameter second: layers, heads and width of the second stage; nil for the baseline.
  init(
    _ first: (layers: Int, heads: Int, width: Int), second: (layers: Int, heads: Int, width: Int)?,
    classes: Int,
    images: Int
  ) {
    let (codes, labels) = (16384, 512)
    func sizes(_ shape: (layers: Int, heads: Int, width: Int), codes: Int) -> TransformerConfiguration {
      TransformerConfiguration(
        layers: shape.layers, heads: shape.heads, width: shape.width, vocabularySize: codes, gridRows: 16,
        gridColumns: 16, classCount: classes)
    }
    self.first = sizes(first, codes: second == nil ? codes : labels)
    self.second = second.map { sizes($0, codes: codes) }
    self.second?.inputVocabularySize = labels
    self.images = images
  }

  /// The work, with guidance 2 in the first stage and none in the second.
  func prepare(_ name: String, _ precision: SamplingPrecision, _ device: Device) -> () -> Void {
    let model = PackedTransformer(Transformer(first, device: device, seed: 1), precision: precision)
    device.memory.trim()
    let drawing = ModelStage(
      model, ModelDescription(codebookSHA256: "", classNames: [], clusterSize: 0),
      labels: (0..<images).map { $0 % first.classCount }, guidance: Guidance(scale: 2), draw: DrawOptions(),
      seed: 1)
    let filling = second.map { sizes in
      let mapping = (0..<sizes.vocabularySize).map { $0 * 7919 % first.vocabularySize }
      return FineStage(
        FineModel(Transformer(sizes, device: device, seed: 2), fineToCoarse: mapping, isMasked: true),
        FineModelDescription(codebookSHA256: "", coarseCodebookSHA256: "", classNames: []), path: name,
        guidance: 1,
        draw: DrawOptions())
    }
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

extension BenchmarkRow {
  /// Coarse-to-fine prediction beside the baseline of the same width and depth, 32 images.
  static func comparisons(_ precision: SamplingPrecision) -> [BenchmarkRow] {
    [4, 12].flatMap { layers in
      let shape = (layers: layers, heads: 4, width: 256)
      return [("baseline", nil), ("ctf", shape)].map { name, second in
        drawn(
          "\(name)-\(layers)x256", DrawnBatch(shape, second: second, classes: 10, images: 32), unit: "tokens",
          precision)
      }
    }
  }

  /// Table 2 of CTF at its true sizes: LlamaGen-B, -L and -XL, and the same with GPT-L as second stage; batches of the
  /// paper's 64 images and of one. They take from seconds to half an hour, so that they run only where they are named.
  static func publishedSizes(_ precision: SamplingPrecision) -> [BenchmarkRow] {
    let fine = TransformerConfiguration.named["GPT-L"]
    return ["B", "L", "XL"].flatMap { size -> [BenchmarkRow] in
      guard let shape = TransformerConfiguration.named["GPT-" + size] else { return [] }
      return [1, 64].flatMap { images in
        [("LlamaGen", nil), ("CTF", fine)].map { name, second in
          drawn(
            "\(name)-\(size)-\(images)", DrawnBatch(shape, second: second, classes: 1000, images: images),
            unit: "images", precision)
        }
      }
    }
  }

  private static func drawn(
    _ name: String, _ batch: DrawnBatch, unit: String, _ precision: SamplingPrecision
  ) -> BenchmarkRow {
    let units = batch.images * (unit == "images" ? 1 : batch.first.tokenCount)
    return BenchmarkRow(name: name, unit: unit, units: Double(units), operations: nil) { device in
      batch.prepare(name, precision, device)
    }
  }
}
