import Autograd
@testable import ImageModels
import TensorCore
import Testing
import TestSupport

/// Sampling with the cache against the whole model run at once, and its independence of the batch.
@Suite struct GenerationTests {
  let device = Device(threadCount: 2)
  let model: Transformer
  let n = 12

  init() {
    let configuration = TransformerConfiguration(
      layers: 2, heads: 2, width: 24, vocabularySize: 45, gridRows: 3, gridColumns: 4, classCount: 5)
    model = Transformer(configuration, device: device, seed: 3)
    // A new model's output is zero; larger weights make distributions that differ by class and history.
    for (i, parameter) in model.store.parameters.enumerated() where parameter.decays {
      let random = device.random(parameter.variable.shape, UInt64(200 + i), deviation: 0.4)
      parameter.variable.value.copyElements(from: random)
    }
  }

  /// Guided logits [B, N, V] of given tokens, from the model run at once.
  func teacherForced(_ labels: [Int], _ tokens: [Int], _ guidance: Guidance) -> [[Float]] {
    let tape = Tape(device: device, isRecording: false)
    let conditional = model.logits(tape, labels: labels, tokens: tokens).value.toArray()
    let none = [Int](repeating: model.configuration.noClass, count: labels.count)
    let free = model.logits(tape, labels: none, tokens: tokens).value.toArray()
    let v = model.configuration.vocabularySize
    return (0..<labels.count * n).map { row in
      let scale = Float(guidance.scale(at: row % n, of: n))
      return (row * v..<(row + 1) * v).map { free[$0] + scale * (conditional[$0] - free[$0]) }
    }
  }

  static let guidances = [
    Guidance(scale: 1), Guidance(scale: 2), Guidance(scale: 3, schedule: .linear),
    Guidance(scale: 3, schedule: .interval, interval: 0.2...0.6), Guidance(scale: 2, schedule: .powerCosine),
  ]

  @Test(arguments: guidances) func greedyTokensAreTheTeacherForcedMaxima(_ guidance: Guidance) throws {
    let labels = [0, 3, 4]
    let drawn = try #require(
      try TokenGenerator(model).generate(
        labels: labels, imageIndices: [0, 1, 2], guidance: guidance, draw: DrawOptions(temperature: 0),
        seed: 0))
    let logits = teacherForced(labels, drawn.flatMap { $0 }, guidance)
    for (row, token) in drawn.flatMap({ $0 }).enumerated() {
      // Another order of sums may swap logits that are equal within rounding.
      let best = try #require(logits[row].max())
      let scale = logits[row].reduce(0) { max($0, abs($1)) }
      #expect(logits[row][token] >= best - 1e-4 * scale, "position \(row % n) of image \(row / n)")
    }
    #expect(Set(drawn).count == 3, "classes give different images")
  }

  @Test(arguments: guidances) func tokensDoNotDependOnTheBatch(_ guidance: Guidance) throws {
    let labels = [0, 1, 2, 3, 4, 0, 1, 2]
    let draw = DrawOptions(temperature: 1.2, topK: 30, topP: 0.95)
    func generate(_ images: [Int], _ generator: TokenGenerator) throws -> [[Int]] {
      try #require(
        try generator.generate(
          labels: images.map { labels[$0] }, imageIndices: images, guidance: guidance, draw: draw, seed: 42))
    }
    let generator = TokenGenerator(model)
    let all = try generate(Array(0..<8), generator)
    #expect(try (0..<8).flatMap { try generate([$0], generator) } == all, "batch of 1")
    #expect(
      try [[0, 1, 2], [3, 4, 5], [6, 7]].flatMap { try generate($0, generator) } == all, "batch of 3")
    #expect(try generate([5, 2], generator) == [all[5], all[2]], "another order")
    #expect(all[0] != all[5] && all[1] != all[6], "one class, two images")
  }

  @Test func tokensDoNotDependOnThreads() throws {
    let draw = DrawOptions(topK: 20)
    func generate(threads: Int) throws -> [[Int]]? {
      let other = Device(threadCount: threads)
      let copy = Transformer(model.configuration, device: other, seed: nil)
      for (a, b) in zip(copy.store.parameters, model.store.parameters) {
        a.variable.value.copyElements(from: b.variable.value)
      }
      return try TokenGenerator(copy).generate(
        labels: [1, 2, 3], imageIndices: [7, 8, 9], guidance: Guidance(scale: 2), draw: draw, seed: 1)
    }
    let one = try generate(threads: 1)
    #expect(try generate(threads: 2) == one && generate(threads: 3) == one)
  }

  @Test func seedsAndInterruption() throws {
    let generator = TokenGenerator(model)
    func generate(_ seed: UInt64, interrupted: () -> Bool = { false }) throws -> [[Int]]? {
      try generator.generate(
        labels: [1], imageIndices: [0], guidance: Guidance(scale: 1), draw: DrawOptions(), seed: seed,
        interrupted: interrupted)
    }
    #expect(try generate(1) == generate(1) && generate(1) != generate(2))
    var asked = 0
    let stopped = try generate(1) {
      asked += 1
      return asked == 5
    }
    #expect(stopped == nil && asked == 5)
    #expect(
      try generator.generate(
        labels: [], imageIndices: [], guidance: Guidance(scale: 2), draw: DrawOptions(), seed: 0) == [])
  }
}
