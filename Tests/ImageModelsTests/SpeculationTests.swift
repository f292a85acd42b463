@testable import ImageModels
import TensorCore
import Testing
import TestSupport

/// Drawing several places per pass against drawing one at a time: the tokens are the same, bit for bit.
@Suite struct SpeculationTests {
  let model: Transformer
  let labels = [0, 1, 2, 3, 4, 0, 1, 2]

  init() {
    let device = Device(threadCount: 2)
    let configuration = TransformerConfiguration(
      layers: 2, heads: 2, width: 24, vocabularySize: 45, gridRows: 3, gridColumns: 4, classCount: 5)
    model = Transformer(configuration, device: device, seed: 3)
    // A new model's output is zero; these weights make distributions that differ by class and history, so that
    // drafts are sometimes right and sometimes wrong.
    for (i, parameter) in model.store.parameters.enumerated() where parameter.decays {
      let random = device.random(parameter.variable.shape, UInt64(300 + i), deviation: 0.2)
      parameter.variable.value.copyElements(from: random)
    }
  }

  func drawn(
    _ generator: TokenGenerator, images: [Int], window: Int, method: DrawMethod, guidance: Guidance,
    kept: KeptTokens? = nil
  ) throws -> [[Int]] {
    try #require(
      try generator.generate(
        labels: images.map { labels[$0] }, imageIndices: images, guidance: guidance,
        draw: DrawOptions(temperature: 0.7, topK: 30), seed: 42, kept: kept, method: method, window: window))
  }

  @Test(arguments: SamplingPrecision.allCases, DrawMethod.allCases) func windowsDoNotChangeTokens(
    precision: SamplingPrecision, method: DrawMethod
  ) throws {
    for guidance in GenerationTests.guidances {
      let generator = TokenGenerator(model, precision: precision)
      let all = Array(labels.indices)
      let one = try drawn(generator, images: all, window: 1, method: method, guidance: guidance)
      #expect(generator.tokensPerPass == 1)
      for window in [2, 3, 5, 12, 40] {
        let found = try drawn(generator, images: all, window: window, method: method, guidance: guidance)
        #expect(found == one, "\(guidance.schedule), window \(window)")
      }
      let alone = try drawn(generator, images: [6], window: 4, method: method, guidance: guidance)
      #expect(alone == [one[6]], "a batch of one")
    }
  }

  @Test func draftsSavePasses() throws {
    func tokensPerPass(_ method: DrawMethod, _ window: Int) throws -> Double {
      let generator = TokenGenerator(model)
      _ = try drawn(
        generator, images: Array(labels.indices), window: window, method: method,
        guidance: Guidance(scale: 1.5))
      return try #require(generator.tokensPerPass)
    }
    let found = try [1, 2, 4].map { try tokensPerPass(.gumbel, $0) }
    #expect(found[0] == 1 && found[1] > 1.1 && found[1] <= 2 && found[2] > found[1])
  }

  /// Where every draft is right, a pass draws a whole window.
  @Test func greedyTokensThatRepeatTakeOnePassPerWindow() throws {
    let zero = Transformer(model.configuration, device: model.store.device, seed: 1)
    let generator = TokenGenerator(zero)
    let found = try generator.generate(
      labels: [1], imageIndices: [0], guidance: Guidance(scale: 1), draw: DrawOptions(temperature: 0),
      seed: 0,
      window: 4)
    #expect(found == [[Int](repeating: 0, count: 12)])
    #expect(generator.tokensPerPass == 4)
  }

  @Test(arguments: DrawMethod.allCases) func keptTokensStay(method: DrawMethod) throws {
    let given = [[Int](0..<12), [Int](12..<24)]
    let isKept = (0..<12).map { $0 < 5 || $0 == 8 }
    let kept = KeptTokens(given, isKept: isKept, fillings: 2)
    let generator = TokenGenerator(model)
    let one = try drawn(
      generator, images: [0, 1, 2, 3], window: 1, method: method, guidance: Guidance(scale: 2), kept: kept)
    let five = try drawn(
      generator, images: [0, 1, 2, 3], window: 5, method: method, guidance: Guidance(scale: 2), kept: kept)
    #expect(one == five)
    for (image, tokens) in five.enumerated() {
      for position in isKept.indices where isKept[position] {
        #expect(tokens[position] == given[image / 2][position])
      }
    }
  }

  /// The two methods use other numbers for the same distribution of whole images: of the first two tokens, by chi-square.
  @Test func methodsDrawFromOneDistribution() throws {
    let generator = TokenGenerator(model)
    func counts(_ method: DrawMethod, window: Int) throws -> [Int: Int] {
      var counts: [Int: Int] = [:]
      for batch in 0..<10 {
        let images = Array(batch * 400..<(batch + 1) * 400)
        let drawn = try #require(
          try generator.generate(
            labels: images.map { _ in 2 }, imageIndices: images, guidance: Guidance(scale: 1.5),
            draw: DrawOptions(temperature: 0.5, topK: 6), seed: 5, method: method, window: window))
        for tokens in drawn { counts[tokens[0] * 45 + tokens[1], default: 0] += 1 }
      }
      return counts
    }
    let (a, b) = (try counts(.cumulative, window: 1), try counts(.gumbel, window: 3))
    var (statistic, cells) = (0.0, 0)
    for pair in Set(a.keys).union(b.keys) {
      let (x, y) = (Double(a[pair] ?? 0), Double(b[pair] ?? 0))
      guard x + y >= 10 else { continue }
      (statistic, cells) = (statistic + (x - y) * (x - y) / (x + y), cells + 1)
    }
    // Mean and variance of chi-square; five standard deviations.
    #expect(cells > 10 && statistic <= Double(cells) + 5 * (2 * Double(cells)).squareRoot())
  }
}
