import Autograd
import Datasets
@testable import Evaluation
import Glibc
import ImageModels
import StreamFormat
import TensorCore
import Testing
import TestSupport

/// Linear classifiers: every step against the formulas in double, and what they can and cannot learn.
@Suite struct LinearProbeTests {
  private let device = Device(threadCount: 2)

  /// Features [n, C]: noise around a corner for each class; `apart` 0 has nothing to learn.
  private func features(_ labels: [Int], channels c: Int, apart: Float, _ index: UInt64) -> Tensor {
    let noise = normals(labels.count * c, index)
    let values = noise.indices.map { i in
      noise[i] + (i % c == labels[i / c] ? apart : 0)
    }
    return device.tensor(values, [labels.count, c])
  }

  private func labels(_ count: Int, classes: Int, _ index: UInt64) -> [Int] {
    var random = CounterRandom(seed: 5, purpose: .test, index: index)
    return (0..<count).map { _ in random.integer(below: classes) }
  }

  @Test func standardizationIsBatchNorm() {
    let values = normals(7 * 3, 1, deviation: 3, mean: 50).enumerated().map { $0 % 3 == 2 ? 0.1 : $1 }
    let standard = FeatureStandardization(device.tensor(values, [7, 3]))
    let applied = standard.apply(to: device.tensor(values, [7, 3]), on: device).toArray()
    for channel in 0..<2 {
      let column = stride(from: channel, to: 21, by: 3).map { Double(values[$0]) }
      let mean = column.reduce(0, +) / 7
      let variance = column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 7
      for row in 0..<7 {
        let expected = (column[row] - mean) / (variance + 1e-6).squareRoot()
        #expect(abs(Double(applied[row * 3 + channel]) - expected) < 1e-6)
      }
    }
    // A channel that never changes tells nothing, and must not become noise.
    #expect(stride(from: 2, to: 21, by: 3).allSatisfy { abs(applied[$0]) < 1e-9 })
  }

  @Test func stepsAreThoseOfSoftmaxRegressionWithAdam() throws {
    // Not a multiple of the classes: a bias whose gradient is 0 but for rounding would go anywhere.
    let (n, c, k) = (13, 3, 4)
    let classes = labels(n, classes: k, 2)
    let raw = features(classes, channels: c, apart: 1, 3)
    // Three epochs of one batch that holds everything: its order does not matter.
    let options = LinearProbe.Options(epochs: 3, batchSize: n, learningRate: 0.1, weightDecay: 0.5)
    let probe = try LinearProbe(raw, labels: classes, classCount: k, options: options, device: device)

    let x = FeatureStandardization(raw).apply(to: raw, on: device).toArray().map(Double.init)
    var parameters = [Double](repeating: 0, count: k * c + k)
    var (first, second) = (parameters, parameters)
    func logits(_ row: Int) -> [Double] {
      (0..<k).map { j in
        (0..<c).reduce(parameters[k * c + j]) { $0 + parameters[j * c + $1] * x[row * c + $1] }
      }
    }
    for step in 0..<3 {
      var gradient = [Double](repeating: 0, count: parameters.count)
      for row in 0..<n {
        let e = logits(row).map { exp($0) }
        for j in 0..<k {
          let d = (e[j] / e.reduce(0, +) - (classes[row] == j ? 1 : 0)) / Double(n)
          for i in 0..<c { gradient[j * c + i] += d * x[row * c + i] }
          gradient[k * c + j] += d
        }
      }
      let rate = 0.1 * 0.5 * (1 + cos(Double.pi * Double(step) / 3))
      for i in parameters.indices {
        first[i] = 0.9 * first[i] + 0.1 * gradient[i]
        second[i] = 0.999 * second[i] + 0.001 * gradient[i] * gradient[i]
        let (m, v) = (
          first[i] / (1 - pow(0.9, Double(step + 1))), second[i] / (1 - pow(0.999, Double(step + 1)))
        )
        // The bias does not decay.
        parameters[i] -= rate * (m / (v.squareRoot() + 1e-8) + (i < k * c ? 0.5 * parameters[i] : 0))
      }
    }
    let found = probe.weight.value.toArray() + probe.bias.value.toArray()
    expectClose(found, parameters.map { Float($0) }, relativeToLargest: 1e-5, "weights after three steps")
    let loss = (0..<n).reduce(0.0) { sum, row in
      sum + log(logits(row).map { exp($0) }.reduce(0, +)) - logits(row)[classes[row]]
    }
    #expect(abs(probe.scores(raw, labels: classes).loss - loss / Double(n)) < 1e-5)
  }

  @Test(arguments: [1, 100] as [Float]) func separableFeaturesAreToldApart(scale: Float) throws {
    let (training, test) = (labels(300, classes: 5, 4), labels(200, classes: 5, 5))
    func scaled(_ classes: [Int], _ index: UInt64) -> Tensor {
      let plain = features(classes, channels: 8, apart: 12, index)
      return device.tensor(plain.toArray().map { $0 * scale + 7 * scale }, plain.shape)
    }
    let options = LinearProbe.Options(epochs: 60, batchSize: 64)
    let probe = try LinearProbe(
      scaled(training, 6), labels: training, classCount: 5, options: options, device: device)
    let scores = probe.scores(scaled(test, 7), labels: test)
    #expect(scores.top1 == 1 && scores.balancedTop1 == 1 && scores.standardError == 0)
  }

  @Test func nothingToLearnStaysAtChance() throws {
    let (training, test) = (labels(200, classes: 4, 8), labels(4000, classes: 4, 9))
    let noise = features(training, channels: 40, apart: 0, 10)
    let probe = try LinearProbe(noise, labels: training, classCount: 4, options: .init(), device: device)
    let held = probe.scores(features(test, channels: 40, apart: 0, 11), labels: test)
    // It learns the training part by heart and yet knows nothing: four standard errors around chance.
    #expect(probe.scores(noise, labels: training).top1 > 0.5)
    #expect(abs(held.top1 - 0.25) < 4 * (0.25 * 0.75 / 4000).squareRoot())
    #expect(held.loss > log(4.0))
  }

  @Test func positionsDoNotDependOnThreads() throws {
    let (training, test) = (labels(90, classes: 3, 12), labels(40, classes: 3, 13))
    func scores(_ threads: Int) throws -> [ProbeScores] {
      let device = Device(threadCount: threads)
      func parts(_ classes: [Int], _ first: UInt64) -> [Tensor] {
        (0..<3).map { features(classes, channels: 6, apart: Float($0), first + UInt64($0)) }
      }
      let results = try LinearProbe.scores(
        training: parts(training, 14), labels: training, test: parts(test, 20), labels: test, classCount: 3,
        options: .init(epochs: 20, batchSize: 32), device: device)
      return results.flatMap { [$0.test, $0.training] }
    }
    let one = try scores(1)
    #expect(try scores(3) == one)
    #expect(one[4].top1 > one[0].top1, "positions keep their order")
  }

  @Test func aRateThatIsTooLargeIsSaid() throws {
    let classes = labels(20, classes: 2, 24)
    #expect {
      _ = try LinearProbe(
        features(classes, channels: 3, apart: 1, 25), labels: classes, classCount: 2,
        options: .init(learningRate: 1e39), device: device)
    } throws: {
      if case EvaluationError.probeNotFinite = $0 { true } else { false }
    }
  }

  @Test func scoresByHand() {
    let scores = ProbeScores(predictions: [0, 0, 0, 2, 2], labels: [0, 0, 0, 0, 2], loss: 0.5)
    #expect(scores.top1 == 0.8 && scores.balancedTop1 == 0.875 && scores.loss == 0.5)
    #expect(abs(scores.standardError - (0.16 / 5).squareRoot()) < 1e-12)
    #expect(ProbeScores.majority(training: [2, 1, 1], test: [1, 0, 2, 1]) == 0.5)
    #expect(ProbeScores.majority(training: [2, 1], test: [1, 0, 1]) == 2.0 / 3, "the first of equals")
  }

  @Test func evenlySpacedPositionsEndParts() {
    #expect(FeaturePlaces.evenlySpaced(8, of: 64) == [7, 15, 23, 31, 39, 47, 55, 63])
    #expect(FeaturePlaces.evenlySpaced(3, of: 10) == [2, 5, 9])
    #expect(FeaturePlaces.evenlySpaced(4, of: 4) == [0, 1, 2, 3])
  }
}

/// Features are the blocks' outputs, of images without a class.
@Suite struct BlockFeaturesTests {
  private let device = Device(threadCount: 2)
  private let model: Transformer
  private let header = TokenHeader(vocabSize: 20, rows: 2, columns: 3, codebookSHA256: "00", classCount: 3)

  init() {
    model = Transformer(
      TransformerConfiguration(
        layers: 3, heads: 2, width: 16, vocabularySize: 20, gridRows: 2, gridColumns: 3, classCount: 3),
      device: device, seed: 1)
  }

  private func data(_ tokens: [UInt32], labels: [UInt32]) -> TokenDataset {
    TokenDataset(TokenBatch(header: header, tokens: tokens, labels: labels))
  }

  private let tokens = (0..<30).map { UInt32($0 * 7 % 20) }
  private let items = (0..<5).map { ($0, 0) }

  @Test(arguments: [1, 2, 3]) func areTheBlocksOutputs(layer: Int) throws {
    let data = data(tokens, labels: [0, 1, 2, 0, 1])
    let found = try model.features(
      data, items: items, at: FeaturePlaces(layer: layer, positions: [1, 5]), batchSize: 2)
    let tape = Tape(device: device, isRecording: false)
    let inputs = (0..<5).flatMap { tokens[$0 * 6..<$0 * 6 + 5].map(Int.init) }
    let x = model.embed(tape, labels: [3, 3, 3, 3, 3], inputs: inputs)
    var outputs: [Tensor] = []
    _ = model.run(tape, x, masks: { _ in .causal }) { outputs.append($1.value) }
    for (feature, position) in zip(found, [1, 5]) {
      #expect(feature.shape == [5, 16])
      let expected = (0..<5).flatMap { image -> ArraySlice<Float> in
        let first = (image * 6 + position) * 16
        return outputs[layer - 1].toArray()[first..<first + 16]
      }
      expectClose(feature.toArray(), expected, relativeToLargest: 1e-5, "position \(position)")
    }
  }

  @Test func knowNeitherTheClassNorWhatComesLater() throws {
    let places = FeaturePlaces(layer: 2, positions: [0, 3])
    let before = try model.features(data(tokens, labels: [0, 1, 2, 0, 1]), items: items, at: places)
    var later = tokens
    for image in 0..<5 { for t in 3..<6 { later[image * 6 + t] = 19 } }
    let after = try model.features(data(later, labels: [2, 2, 2, 2, 2]), items: items, at: places)
    #expect(before.map { $0.toArray() } == after.map { $0.toArray() })
    // Nothing has been seen at the first position: all images are one.
    let first = before[0].toArray()
    for image in 1..<5 {
      expectClose(
        Array(first[image * 16..<(image + 1) * 16]), Array(first[..<16]), relativeToLargest: 1e-6,
        "image \(image)")
    }
    #expect(Array(before[1].toArray()[..<16]) != Array(before[1].toArray()[16..<32]))
  }
}
