import Autograd
@testable import CTF
import Glibc
@testable import ImageModels
import StreamFormat
import TensorCore
import Testing
import TestSupport

/// The second stage of coarse-to-fine prediction: its distributions, its draws, its files.
@Suite struct FineModelTests {
  let device = Device(threadCount: 2)
  static let n = 6
  /// 14 codes in 5 labels, one of which no code has.
  static let labels = [0, 3, 1, 0, 4, 4, 3, 0, 1, 4, 0, 3, 3, 0]
  let coarse = [[0, 1, 3, 4, 0, 3], [4, 4, 1, 0, 3, 0], [1, 0, 0, 0, 4, 3]]

  func model(
    _ fineToCoarse: [Int] = labels, coarseCount: Int = 5, isMasked: Bool = true, on other: Device? = nil
  ) -> FineModel {
    var sizes = TransformerConfiguration(
      layers: 2, heads: 2, width: 16, vocabularySize: fineToCoarse.count, gridRows: 2, gridColumns: 3,
      classCount: 3)
    sizes.inputVocabularySize = coarseCount
    sizes.feedForwardMultiple = 16
    let transformer = Transformer(sizes, device: other ?? device, seed: 4)
    // A new model's output is zero.
    for (i, parameter) in transformer.store.parameters.enumerated() where parameter.decays {
      let random = device.random(parameter.variable.shape, UInt64(300 + i), deviation: 0.4)
      parameter.variable.value.copyElements(from: random)
    }
    return FineModel(transformer, fineToCoarse: fineToCoarse, isMasked: isMasked)
  }

  // MARK: Distributions

  @Test(arguments: [true, false]) func distributionsAreTheNaiveOnes(isMasked: Bool) throws {
    let model = model(isMasked: isMasked)
    let naive = NaiveFineModel(model)
    let tape = Tape(device: device, isRecording: false)
    let hidden = model.hidden(tape, labels: [0, 3, 2], coarse: coarse.flatMap { $0 }).value
    let expected = zip([0, 3, 2], coarse).flatMap { naive.logits(label: $0, coarse: $1) }
    let flat = coarse.flatMap { $0 }
    var seen: [Int] = []
    model.forEachCluster(hidden, coarse: flat, on: device) { positions, codes, logits in
      for (row, position) in positions.enumerated() {
        let wanted =
          isMasked ? Self.labels.indices.filter { Self.labels[$0] == flat[position] } : Array(0..<14)
        #expect(Array(codes) == wanted)
        let actual = Array(logits.toArray()[row * codes.count..<(row + 1) * codes.count])
        expectClose(
          actual, codes.map { Float(expected[position][$0]) }, relativeToLargest: 1e-4, "position \(position)"
        )
      }
      seen += positions
    }
    #expect(seen.sorted() == Array(0..<18), "each position once")
  }

  @Test(arguments: [true, false]) func theLossIsThatOfTheDistributions(isMasked: Bool) {
    let model = model(isMasked: isMasked)
    let naive = NaiveFineModel(model)
    let tokens = coarse.flatMap { $0 }.map { label in Self.labels.lastIndex(of: label)! }
    var exact = 0.0
    for (image, labels) in coarse.enumerated() {
      for (position, logits) in naive.logits(label: image, coarse: labels).enumerated() {
        let choice = isMasked ? logits.indices.filter { Self.labels[$0] == labels[position] } : Array(0..<14)
        let whole = log(choice.reduce(0) { $0 + exp(logits[$1]) })
        exact += (whole - logits[tokens[image * Self.n + position]]) / 18
      }
    }
    let tape = Tape(device: device, isRecording: false)
    let result = model.loss(tape, labels: [0, 1, 2], tokens: tokens, TokenLoss())
    #expect(abs(result.tokenLoss - exact) < 1e-5 * exact)
  }

  @Test func everyPositionSeesEveryOther() {
    let model = model()
    func hidden(_ coarse: [Int]) -> [Float] {
      model.hidden(Tape(device: device, isRecording: false), labels: [1], coarse: coarse).value.toArray()
    }
    let before = hidden(coarse[0])
    for changed in 0..<Self.n {
      var other = coarse[0]
      other[changed] = (other[changed] + 1) % 5
      let after = hidden(other)
      for position in 0..<Self.n {
        let range = position * 16..<(position + 1) * 16
        #expect(before[range] != after[range], "position \(position) of a change at \(changed)")
      }
    }
  }

  @Test func withOneLabelTheFirstStageIsCertain() {
    let sizes = TransformerConfiguration(
      layers: 1, heads: 2, width: 16, vocabularySize: 1, gridRows: 2, gridColumns: 3, classCount: 3)
    let model = Transformer(sizes, device: device, seed: 1)
    let tokens = [Int](repeating: 0, count: 12)
    let result = model.loss(
      Tape(device: device, isRecording: false), labels: [0, 1], tokens: tokens, TokenLoss())
    #expect(result.tokenLoss == 0)
  }

  // MARK: Draws

  func fill(
    _ model: FineModel, _ images: [Int], seed: UInt64 = 3, guidance: Float = 1,
    _ draw: DrawOptions = DrawOptions()
  ) throws -> [[Int]] {
    try FineGenerator(model).fill(
      coarse: images.map { coarse[$0 % 3] }, labels: images.map { $0 % 4 }, streams: images.map(UInt64.init),
      guidance: guidance, draw: draw, seed: seed)
  }

  @Test(arguments: [Float(1), 2.5]) func greedyCodesAreTheGuidedMaxima(guidance: Float) throws {
    let model = model()
    let naive = NaiveFineModel(model)
    let drawn = try fill(model, [0, 1, 2], guidance: guidance, DrawOptions(temperature: 0))
    for image in 0..<3 {
      let conditional = naive.logits(label: image, coarse: coarse[image])
      let free = naive.logits(label: 3, coarse: coarse[image])
      for position in 0..<Self.n {
        let choice = Self.labels.indices.filter { Self.labels[$0] == coarse[image][position] }
        let guided = { (code: Int) in
          free[position][code] + Double(guidance) * (conditional[position][code] - free[position][code])
        }
        let best = choice.map(guided).max()!
        #expect(choice.contains(drawn[image][position]))
        #expect(guided(drawn[image][position]) >= best - 1e-4, "image \(image), position \(position)")
      }
    }
  }

  @Test(arguments: [Float(1), 2]) func codesDoNotDependOnTheBatchNorOnThreads(guidance: Float) throws {
    let draw = DrawOptions(temperature: 1.3, topK: 3, topP: 0.95)
    let model = model()
    let all = try fill(model, Array(0..<9), guidance: guidance, draw)
    #expect(try (0..<9).flatMap { try fill(model, [$0], guidance: guidance, draw) } == all, "batches of 1")
    #expect(
      try fill(model, [7, 2, 5], guidance: guidance, draw) == [all[7], all[2], all[5]], "another order")
    for threads in [1, 3] {
      let other = self.model(on: Device(threadCount: threads))
      #expect(try fill(other, Array(0..<9), guidance: guidance, draw) == all, "\(threads) threads")
    }
  }

  @Test func codesBelongToTheirLabels() throws {
    let drawn = try fill(model(), Array(0..<9))
    #expect(drawn.map { $0.map { Self.labels[$0] } } == (0..<9).map { coarse[$0 % 3] })
    #expect(try fill(model(), [0, 1]) != fill(model(), [0, 1], seed: 4))
    let free = try fill(model(isMasked: false), Array(0..<9)).flatMap { $0 }
    #expect(Set(free.map { Self.labels[$0] }).count > 1 && free.allSatisfy { (0..<14).contains($0) })
    #expect(try fill(model(), []) == [])
  }

  /// Frequencies of the codes of one position against their probabilities.
  @Test func codesAreDrawnByTheirProbabilities() throws {
    let model = model()
    let logits = NaiveFineModel(model).logits(label: 2, coarse: coarse[0])[0]
    let choice = Self.labels.indices.filter { Self.labels[$0] == coarse[0][0] }
    let total = choice.reduce(0) { $0 + exp(logits[$1]) }
    let draws = 2000
    let drawn = try FineGenerator(model).fill(
      coarse: .init(repeating: coarse[0], count: draws), labels: .init(repeating: 2, count: draws),
      streams: (0..<draws).map(UInt64.init), draw: DrawOptions(), seed: 8
    ).map { $0[0] }
    for code in choice {
      let p = exp(logits[code]) / total
      let deviation = (Double(draws) * p * (1 - p)).squareRoot()
      let count = drawn.filter { $0 == code }.count
      #expect(abs(Double(count) - Double(draws) * p) <= 5 * deviation, "code \(code)")
    }
  }

  @Test func withOneCodeALabelTheSecondStageIsCertain() throws {
    let permutation = [3, 0, 4, 1, 2]
    let model = model(permutation)
    let tokens = coarse.flatMap { $0 }.map { permutation.firstIndex(of: $0)! }
    let result = model.loss(
      Tape(device: device, isRecording: false), labels: [0, 1, 2], tokens: tokens, TokenLoss())
    #expect(result.tokenLoss == 0)
    #expect(try fill(model, [0, 1, 2]).flatMap { $0 } == tokens)
  }

  @Test func aLabelWithoutCodesTakesAnyCode() throws {
    let drawn = try FineGenerator(model()).fill(
      coarse: [[2, 2, 2, 0, 2, 2]], labels: [0], streams: [0], draw: DrawOptions(), seed: 1)
    #expect(drawn[0].allSatisfy { (0..<14).contains($0) } && Self.labels[drawn[0][3]] == 0)
  }
}
