import Autograd
@testable import ImageModels
import TensorCore
import Testing
import TestSupport

/// Attention weights against the op that training runs, and figures of weights made by hand.
@Suite struct AttentionProbabilitiesTests {
  private let device = Device(threadCount: 2)
  private let model: Transformer
  private let tokens = (0..<12).map { $0 * 7 % 20 }

  init() {
    model = Transformer(
      TransformerConfiguration(
        layers: 3, heads: 2, width: 16, vocabularySize: 20, gridRows: 2, gridColumns: 3, classCount: 3),
      device: device, seed: 1)
    // Larger than the start of a training, so that attention is far from even.
    for parameter in model.store.parameters where parameter.name.contains("wqkv") {
      parameter.variable.value.copyElements(
        from: device.random(parameter.variable.shape, 70, deviation: 0.7))
    }
  }

  private func inputs() -> [Variable] {
    let tape = Tape(device: device, isRecording: false)
    var inputs = [model.embed(tape, labels: [0, 2], inputs: tokens)]
    _ = model.run(tape, inputs[0], masks: { _ in .causal }) { inputs.append($1) }
    return inputs
  }

  @Test(arguments: 0..<3) func timesValuesAreWhatTheOpGives(block: Int) {
    let tape = Tape(device: device, isRecording: false)
    let input = inputs()[block]
    let probabilities = model.probabilities(tape, block: block, input: input)
    #expect(probabilities.values.shape == [2, 2, 7, 7])
    let normed = tape.rmsNorm(input, weight: model.blocks[block].attentionNorm, epsilon: 1e-5)
    let qkv = tape.linear(normed, weight: model.blocks[block].wqkv)
    let expected = tape.attention(qkv: qkv, heads: 2, rotation: model.rotation, mask: .causal).value
    var out = [Float](repeating: 0, count: expected.count)
    for i in out.indices {
      let (b, t, h) = (i / 112, i / 16 % 7, i % 16 / 8)
      for key in 0..<7 {
        out[i] +=
          probabilities.values.pointer[((b * 2 + h) * 7 + t) * 7 + key]
          * qkv.value.pointer[(b * 7 + key) * 48 + 32 + i % 16]
      }
    }
    expectClose(out, expected.toArray(), relativeToLargest: 1e-5, "block \(block)")
  }

  @Test func rowsSumToOneAndSeeNothingLater() {
    model.attention(labels: [0, 2], tokens: tokens, layers: [0, 1, 2]) { _, attention in
      for (row, first) in stride(from: 0, to: attention.values.count, by: 7).enumerated() {
        let weights = (0..<7).map { attention.values.pointer[first + $0] }
        #expect(abs(weights.reduce(0, +) - 1) < 1e-6)
        #expect(weights[(row % 7 + 1)...].allSatisfy { $0 == 0 } && weights.allSatisfy { $0 >= 0 })
      }
    }
  }

  @Test func layersComeInOrderWithTheirOwnInputs() {
    let inputs = inputs()
    var seen: [Int] = []
    model.attention(labels: [0, 2], tokens: tokens, layers: [2, 0]) { layer, attention in
      seen.append(layer)
      let tape = Tape(device: device, isRecording: false)
      let expected = model.probabilities(tape, block: layer, input: inputs[layer])
      #expect(attention.values.toArray() == expected.values.toArray())
    }
    #expect(seen == [0, 2])
  }

  @Test func weightsOnTokensAreMeansOverHeads() {
    let attention = AttentionProbabilities(device.tensor((0..<18).map(Float.init), [1, 2, 3, 3]))
    #expect(Array(attention.row(image: 0, head: 1, token: 0)) == [12, 13, 14])
    #expect(attention.tokenWeights(image: 0, heads: [1], token: 1) == [16, 17])
    #expect(attention.tokenWeights(image: 0, heads: [0, 1], token: 1) == [11.5, 12.5])
  }

  @Test func distancesByHand() {
    // Tokens 0 1 / 2 3; rows: the class, then a query a token.
    let weights: [Float] = [
      1, 0, 0, 0, 0,
      0.5, 0.5, 0, 0, 0,
      0, 0.5, 0.5, 0, 0,
      0.2, 0.4, 0.4, 0, 0,
      1, 0, 0, 0, 0,
    ]
    var summary = AttentionSummary(rows: 2, columns: 2)
    #expect(summary.meanDistance == 0 && summary.classWeight == 0)
    summary.add(AttentionProbabilities(device.tensor(weights, [1, 1, 5, 5])))
    let diagonal = 2.0.squareRoot()
    // Token 3 looks at the class alone: it has no distance.
    #expect(abs(summary.meanDistance - (0 + 0.5 + (1 + diagonal) / 2) / 3) < 1e-6)
    #expect(abs(summary.classWeight - (0.5 + 0 + 0.2 + 1) / 4) < 1e-6)
    let uniform = (0 + 0.5 + (1 + diagonal) / 3 + (2 + diagonal) / 4) / 4
    #expect(abs(summary.uniformDistance - uniform) < 1e-6)
  }

  @Test func evenAttentionHasTheUniformDistance() {
    let (rows, columns) = (3, 4)
    let t = 1 + rows * columns
    let even = (0..<2 * t * t).map { $0 % t <= $0 / t % t ? 1 / Float($0 / t % t + 1) : 0 }
    var summary = AttentionSummary(rows: rows, columns: columns)
    summary.add(AttentionProbabilities(device.tensor(even, [1, 2, t, t])))
    #expect(abs(summary.meanDistance - summary.uniformDistance) < 1e-5)
    // Query i of N sees i + 1 keys besides the first.
    let expected = (2...t).reduce(0.0) { $0 + 1 / Double($1) } / Double(t - 1)
    #expect(abs(summary.classWeight - expected) < 1e-6)
  }
}
