import Autograd
@testable import ImageModels
import NeuralNet
import StreamFormat
import TensorCore
import Testing
import TestSupport

/// A small model trained on chains: the next token follows from the last one and the class, most of the time.
/// Its logits lie as far apart as a trained model's do, which decides how often rounding changes the largest.
private enum TrainedModel {
  static let configuration = TransformerConfiguration(
    layers: 2, heads: 4, width: 64, vocabularySize: 64, gridRows: 6, gridColumns: 6, classCount: 10)
  /// The parameters' values in their order, trained once for all tests.
  static let values = train()

  private static func train() -> [[Float]] {
    let device = Device(threadCount: 2)
    let model = Transformer(configuration, device: device, seed: 5)
    let optimizer = Optimizer(model.store)
    var random = CounterRandom(seed: 8, purpose: .test)
    for _ in 0..<150 {
      let labels = (0..<32).map { _ in random.integer(below: 10) }
      let tokens = labels.flatMap { chain(label: $0, &random) }
      let tape = Tape(device: device)
      let result = model.loss(tape, labels: labels, tokens: tokens, TokenLoss())
      tape.backward(from: result.loss)
      optimizer.step(learningRate: 4e-3, gradientNorm: optimizer.gradientNorm())
    }
    return model.store.parameters.map { $0.variable.value.toArray() }
  }

  private static func chain(label: Int, _ random: inout CounterRandom) -> [Int] {
    var token = 5 * label
    return (0..<configuration.tokenCount).map { _ in
      let u = random.uniform()
      let next = u < 0.6 ? 3 * token + label : u < 0.85 ? token + 7 : random.integer(below: 64)
      token = next % 64
      return token
    }
  }
}

/// Sampling in smaller number formats against float32.
@Suite struct SamplingPrecisionTests {
  let device = Device(threadCount: 2)
  let model: Transformer
  let labels = (0..<24).map { $0 % 10 }

  init() {
    model = Self.trained(on: device)
  }

  static func trained(on device: Device) -> Transformer {
    let model = Transformer(TrainedModel.configuration, device: device, seed: nil)
    for (parameter, values) in zip(model.store.parameters, TrainedModel.values) {
      parameter.variable.value.copyElements(from: device.tensor(values, parameter.variable.shape))
    }
    return model
  }

  func generator(_ precision: SamplingPrecision, threads: Int = 2) -> TokenGenerator {
    TokenGenerator(Self.trained(on: Device(threadCount: threads)), precision: precision)
  }

  func drawn(_ generator: TokenGenerator, _ images: [Int]) throws -> [[Int]] {
    try #require(
      try generator.generate(
        labels: images.map { labels[$0] }, imageIndices: images, guidance: Guidance(scale: 2),
        draw: DrawOptions(topK: 100), seed: 3))
  }

  @Test(arguments: [SamplingPrecision.bfloat16, .int8], [1.0, 2.0])
  func greedyTokensEqualFloat32s(precision: SamplingPrecision, scale: Double) throws {
    let wide = generator(.float32)
    let tokens = try drawn(wide, Array(labels.indices))
    let guidance = Guidance(scale: scale)
    let expected = try wide.greedyChoices(labels: labels, tokens: tokens, guidance: guidance)
    let found = try generator(precision).greedyChoices(labels: labels, tokens: tokens, guidance: guidance)
    let pairs = zip(expected.flatMap { $0 }, found.flatMap { $0 })
    let equal = pairs.count { $0 == $1 }
    let count = labels.count * model.configuration.tokenCount
    #expect(Double(equal) >= 0.98 * Double(count), "\(equal) of \(count) greedy tokens are float32's")
  }

  @Test(arguments: SamplingPrecision.allCases) func tokensDoNotDependOnBatchOrThreads(
    _ precision: SamplingPrecision
  ) throws {
    let two = generator(precision)
    let all = try drawn(two, Array(0..<24))
    #expect(try drawn(generator(precision, threads: 1), Array(0..<24)) == all, "1 thread")
    #expect(try drawn(generator(precision, threads: 3), Array(0..<24)) == all, "3 threads")
    #expect(try [5, 17, 23].flatMap { try drawn(two, [$0]) } == [all[5], all[17], all[23]], "batch of 1")
    #expect(try drawn(two, Array(3..<11)) == Array(all[3..<11]), "batch of 8")
  }

  @Test(arguments: SamplingPrecision.allCases) func weightsThatAreNotFinite(_ precision: SamplingPrecision)
    throws
  {
    let weight = try #require(model.store.parameters.first { $0.name == "layers.1.attention.wo.weight" })
    for bad in [Float.nan, .infinity] {
      weight.variable.value.pointer[7] = bad
      #expect(throws: GenerationError.notFinite(image: 4, position: 0)) {
        try TokenGenerator(model, precision: precision).generate(
          labels: [1], imageIndices: [4], guidance: Guidance(scale: 2), draw: DrawOptions(), seed: 0)
      }
    }
  }

  @Test(arguments: SamplingPrecision.allCases) func aFileGivesTheTokensOfTheModel(
    _ precision: SamplingPrecision
  ) throws {
    let description = ModelDescription(
      codebookSHA256: String(repeating: "0", count: 64), classNames: [], clusterSize: 0)
    let record = try model.record(description: description)
    let content = try #require(
      try PackedTransformer.read(reader(of: record), precision: precision, device: device))
    #expect(content.description == description && content.model.configuration == model.configuration)
    #expect(content.model.precision == precision)
    let generator = TokenGenerator(content.model)
    #expect(try drawn(generator, [0, 1]) == drawn(self.generator(precision), [0, 1]))
  }
}

/// A reader of a file that holds the record.
func reader(of record: Record) throws -> RecordReader {
  let sink = MemorySink()
  let writer = RecordWriter(sink)
  try writer.write(record)
  try writer.finish()
  return RecordReader(MemorySource(sink.bytes, name: "model.tensors.zst"))
}
