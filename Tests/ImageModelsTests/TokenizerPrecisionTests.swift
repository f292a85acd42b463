@testable import ImageModels
import TensorCore
import Testing
import TestSupport

/// Packed weights and bfloat16 in the autoencoder, on random parameters.
@Suite struct TokenizerPrecisionTests {
  private func model(_ precision: Precision) -> Tokenizer {
    Tokenizer(
      TokenizerConfiguration(
        channels: 32, multipliers: [1, 2], residualBlocks: 1, zChannels: 32, codebookSize: 64, imageSize: 32),
      device: Device(threadCount: 2, precision: precision), seed: 3)
  }

  private func run(_ model: Tokenizer) -> (tokens: [Int], images: [Float]) {
    let device = model.store.device
    let tokens = try! model.tokens(of: device.random([4, 32, 32, 3], 7))
    let fixed = (0..<1024).map { $0 * 13 % 64 }
    return (tokens, try! model.images(of: fixed, rows: 16, columns: 16).toArray())
  }

  @Test(arguments: Precision.allCases) func freezingChangesNothing(_ precision: Precision) {
    let model = model(precision)
    let before = run(model)
    model.freeze()
    for _ in 0..<2 {
      let after = run(model)
      #expect(after.tokens == before.tokens && after.images == before.images)
    }
  }

  /// Some twenty layers, each with errors of 2^-8 of its inputs: 2 % of the norm leaves a wide margin.
  @Test func bfloat16IsNearFloat32() {
    let (exact, rounded) = (run(model(.float32)), run(model(.bfloat16)))
    expectClose(rounded.images, exact.images, relativeToNorm: 0.02, "images")
    let equal = zip(exact.tokens, rounded.tokens).filter { $0 == $1 }.count
    #expect(Double(equal) >= 0.9 * Double(exact.tokens.count), "\(equal) of \(exact.tokens.count) codes")
  }
}
