import Autograd
import Codebooks
import ImageModels
import NeuralNet
import TensorCore

/// A piece of work with a name, counted in units and in what bounds it: operations or bytes read.
struct BenchmarkRow: Sendable {
  var name: String
  var unit: String
  /// Units of one run.
  var units: Double
  /// Operations of one run; nil where arithmetic does not bound it.
  var operations: Double?
  /// Bytes of weights read in one run; nil where memory does not bound it.
  var bytes: Double?
  /// Makes the work: set-up happens here, the returned closure is timed.
  var prepare: @Sendable (Device) -> () -> Void
}

extension BenchmarkRow {
  /// All rows of a format that have a name.
  static func known(_ precision: SamplingPrecision) -> [BenchmarkRow] {
    all(precision) + publishedSizes(precision) + var256(precision)
  }

  /// The rows of a format that are measured where none is named: sampling alone has all of them.
  static func all(_ precision: SamplingPrecision) -> [BenchmarkRow] {
    let sampled = sampling(precision) + comparisons(precision)
    return precision == .int8 ? sampled : training + tokenizerTraining + sampled + images
  }

  private static let training: [BenchmarkRow] = [
    training("train-6x256", layers: 6, heads: 4, width: 256, vocabulary: 1024, grid: 8, batch: 64),
    training("train-8x384", layers: 8, heads: 6, width: 384, vocabulary: 4096, grid: 16, batch: 8),
    training("train-GPT-B", layers: 12, heads: 12, width: 768, vocabulary: 16384, grid: 16, batch: 4),
  ]

  private static let images: [BenchmarkRow] = [encoding, decoding]

  static func model(_ layers: Int, _ heads: Int, _ width: Int, _ vocabulary: Int, _ grid: Int)
    -> TransformerConfiguration
  {
    TransformerConfiguration(
      layers: layers, heads: heads, width: width, vocabularySize: vocabulary, gridRows: grid,
      gridColumns: grid,
      classCount: 1000)
  }

  /// A whole optimiser step: forward, backward, clipping, AdamW. Dropout 0.1 as the recipes have it.
  private static func training(
    _ name: String, layers: Int, heads: Int, width: Int, vocabulary: Int, grid: Int, batch: Int
  ) -> BenchmarkRow {
    let configuration = model(layers, heads, width, vocabulary, grid)
    let tokens = batch * grid * grid
    // Six operations a matrix weight and token, and attention's 12 T C a token and layer.
    let weights = configuration.scalarCount - (vocabulary + 1001) * width
    let attention = 12 * layers * width * grid * grid / 2
    return BenchmarkRow(
      name: name, unit: "tokens", units: Double(tokens),
      operations: Double(tokens) * Double(6 * weights + attention)
    ) { device in
      let model = Transformer(configuration, device: device, seed: 1)
      let optimizer = Optimizer(model.store)
      var random = CounterRandom(seed: 1, purpose: .test)
      let labels = (0..<batch).map { _ in random.integer(below: 1000) }
      let data = (0..<tokens).map { _ in random.integer(below: vocabulary) }
      var step = 0
      return {
        let tape = Tape(device: device)
        let plan = DropoutPlan(rate: 0.1, classRate: 0.1, seed: 1, step: step)
        let result = model.loss(tape, labels: labels, tokens: data, TokenLoss(), dropout: plan)
        tape.backward(from: result.loss)
        optimizer.step(learningRate: 1e-4, gradientNorm: optimizer.gradientNorm())
        step += 1
      }
    }
  }

  private static let encoding = BenchmarkRow(
    name: "encode-VQ-16", unit: "images", units: 1, operations: nil
  ) { device in
    let model = Tokenizer(TokenizerConfiguration(), device: device, seed: 1)
    model.freeze()
    let image = device.full([1, 256, 256, 3], 0.1)
    return { _ = try? model.tokens(of: image) }
  }

  private static let decoding = BenchmarkRow(
    name: "decode-VQ-16", unit: "images", units: 1, operations: nil
  ) { device in
    let model = Tokenizer(TokenizerConfiguration(), device: device, seed: 1)
    model.freeze()
    let tokens = (0..<256).map { $0 * 61 % 16384 }
    return { _ = try? model.images(of: tokens, rows: 16, columns: 16) }
  }
}
