import Autograd
@testable import ImageModels
import TensorCore
import Testing

/// What a forward pass of training leaves in memory for the backward pass: what that reads, and nothing else.
@Suite struct TransformerMemoryTests {
  @Test(arguments: [Precision.float32, .bfloat16])
  func aBlockKeepsWhatItsBackwardPassReads(precision: Precision) {
    let (c, h, rows) = (256, configuration(2).feedForwardWidth, 4 * 64)
    let added = bytesKept(layers: 3, precision) - bytesKept(layers: 2, precision)
    // The inputs of both norms, and the inverse lengths of their rows.
    var expected = 4 * rows * (2 * c + 2)
    // Query, key and value, both projections of the feed-forward layer, and the inputs of the four products.
    let numbers = rows * (3 * c + 2 * h + 3 * c + h)
    switch precision {
    case .float32: expected += 4 * numbers
    // All of them, and the weights, rounded.
    case .bfloat16: expected += 2 * (numbers + 4 * c * c + 3 * c * h)
    }
    let estimate =
      4
      * (configuration(3).trainingBytesPerImage(precision)
        - configuration(2).trainingBytesPerImage(precision))
    #expect(Double(added) >= estimate, "\(added) bytes, \(estimate) estimated")
    // A pooled block may be larger than what lies in it.
    #expect(added >= expected && added <= expected + expected / 25, "\(added) bytes, \(expected) expected")
  }

  /// Blocks in front of all that is trained keep nothing, and products of frozen ones no inputs.
  @Test(arguments: ["tokens,classes,blocks:1-2", "blocks:2", "tokens,classes,blocks"])
  func aFrozenModelKeepsLess(names: String) throws {
    let frozen = try names.split(separator: ",").map { try #require(TransformerPart(String($0))) }
    let estimate = 4 * configuration(3).trainingBytesPerImage(.float32, frozen: frozen)
    let kept = bytesKept(layers: 3, .float32, frozen: frozen)
    // Beside it is what is before and behind the blocks: embeddings, and the last norm.
    #expect(
      Double(kept) >= estimate && Double(kept) < estimate + 8 * 4 * 4 * 64 * 256, "\(kept), \(estimate)")
    let trained = Transformer(configuration(3), device: Device(threadCount: 1), seed: 0).store.parameters
      .filter { parameter in !frozen.contains { $0.contains(parameter.name) } }
    #expect(
      configuration(3).trainedBytes(frozen: frozen)
        == trained.reduce(0) { $0 + 4 * Double($1.variable.value.count) })
  }

  /// Bytes of a tape after a forward pass over four images of 64 tokens.
  private func bytesKept(layers: Int, _ precision: Precision, frozen: [TransformerPart] = []) -> Int {
    let device = Device(threadCount: 2, precision: precision)
    let model = Transformer(configuration(layers), device: device, seed: 0)
    for parameter in model.store.parameters where frozen.contains(where: { $0.contains(parameter.name) }) {
      parameter.variable.freeze()
    }
    device.memory.trim()
    let before = device.memory.bytesHeld
    let tape = Tape(device: device)
    let hidden = model.hidden(tape, labels: [0, 1, 2, 3], tokens: Array(repeating: 5, count: 4 * 64))
    device.memory.trim()
    return withExtendedLifetime((tape, hidden)) { device.memory.bytesHeld - before }
  }

  private func configuration(_ layers: Int) -> TransformerConfiguration {
    TransformerConfiguration(
      layers: layers, heads: 4, width: 256, vocabularySize: 32, gridRows: 8, gridColumns: 8, classCount: 3)
  }
}
