import Autograd
import ImageModels
import TensorCore
import Testing

@testable import VAR

/// What a forward pass of training leaves in memory, beside the estimate of it.
@Suite struct VARTransformerMemoryTests {
  @Test(arguments: [Precision.float32, .bfloat16], [true, false])
  func theEstimateIsALowerBound(precision: Precision, normalizesQueries: Bool) {
    let (two, three) = (configuration(2, normalizesQueries), configuration(3, normalizesQueries))
    let images = 4
    let kept = bytesKept(three, images, precision) - bytesKept(two, images, precision)
    let bound =
      Double(images) * (three.trainingBytesPerImage(precision) - two.trainingBytesPerImage(precision))
    #expect(Double(kept) >= bound, "\(kept) bytes, \(bound) expected")
    // Beside it are rounded weights, masks, and what blocks larger than needed waste.
    #expect(Double(kept) < 1.5 * bound, "\(kept) bytes, \(bound) expected")
  }

  private func configuration(_ layers: Int, _ normalizesQueries: Bool) -> VARConfiguration {
    var configuration = VARConfiguration(
      layers: layers, heads: 4, width: 128, vocabularySize: 64, codeDimension: 8, classCount: 10,
      multiScale: MultiScaleConfiguration(scales: [1, 2, 4, 8, 12]))
    configuration.normalizesQueries = normalizesQueries
    return configuration
  }

  private func bytesKept(_ configuration: VARConfiguration, _ images: Int, _ precision: Precision) -> Int {
    let device = Device(threadCount: 2, precision: precision)
    let model = VARTransformer(configuration, device: device, seed: 0)
    model.frozen.parameters.forEach { $0.variable.value.buffer.update(repeating: 0.1) }
    device.memory.trim()
    let before = device.memory.bytesHeld
    let tape = Tape(device: device)
    let loss = model.loss(
      tape, labels: Array(repeating: 1, count: images),
      tokens: Array(repeating: 5, count: images * configuration.tokenCount), TokenLoss())
    device.memory.trim()
    return withExtendedLifetime((tape, loss)) { device.memory.bytesHeld - before }
  }

  @Test func trainedParametersAreThoseThatAreNotFrozen() throws {
    for shared in [false, true] {
      var sizes = configuration(3, true)
      sizes.sharesConditioning = shared
      let model = VARTransformer(sizes, device: Device(threadCount: 1), seed: 0)
      for names in [["tokens"], ["classes", "output"], ["blocks:2-3"], ["blocks"]] {
        let frozen = try names.map { try #require(TransformerPart($0)) }
        let trained = model.store.parameters.filter { parameter in
          !frozen.contains { $0.contains(parameter.name) }
        }
        #expect(
          sizes.trainedBytes(frozen: frozen)
            == trained.reduce(0) { $0 + 4 * Double($1.variable.value.count) },
          "\(names), shared conditioning \(shared)")
      }
    }
  }
}
