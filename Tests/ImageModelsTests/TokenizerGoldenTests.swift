import Autograd
@testable import ImageModels
import StreamFormat
import TensorCore
import Testing
import TestSupport

/// The autoencoder against LlamaGen's own code run in PyTorch (float32): `vq_tiny`.
@Suite struct TokenizerGoldenTests {
  let device = Device(threadCount: 2)
  let golden: Fixture
  let model: Tokenizer

  init() throws {
    golden = try Fixture("vq_tiny.safetensors")
    model = Tokenizer(
      TokenizerConfiguration(
        channels: 32, multipliers: [1, 1], residualBlocks: 1, zChannels: 32, codebookSize: 64, imageSize: 16),
      device: device, seed: 0)
    for parameter in model.store.parameters {
      let stored = try golden.record.tensor("param." + parameter.name, shape: parameter.variable.shape)
      try stored.copyFloats(into: parameter.variable.value.buffer)
    }
  }

  func channelsLast(_ name: String) throws -> Tensor { try golden.channelsLast(name, device) }

  @Test func parametersAreLlamaGens() {
    #expect(Set(model.store.parameters.map(\.name)) == Set(golden.names(withPrefix: "param.")))
  }

  @Test func latentsIndicesAndReconstruction() throws {
    let pass = model.trainingPass(
      Tape(device: device, isRecording: false), images: Variable(try channelsLast("image")))
    expectClose(
      pass.latents.value.toArray(), try channelsLast("latent").toArray(), relativeToLargest: 1e-4, "latents")
    #expect(try pass.quantized.indices == golden.integers("indices"))
    expectClose(
      pass.reconstruction.value.toArray(), try channelsLast("reconstruction").toArray(),
      relativeToLargest: 1e-4, "reconstruction")
  }

  @Test func lossesAndAllGradients() throws {
    let tape = Tape(device: device)
    let pass = model.trainingPass(tape, images: Variable(try channelsLast("image")))
    func close(_ actual: Float, _ name: String) throws {
      let expected = try golden.floats(name)[0]
      #expect(abs(actual - expected) <= 1e-5 * abs(expected), "\(name): \(actual), expected \(expected)")
    }
    try close(try #require(pass.quantized.codebookLoss).value.scalar, "vq_loss")
    try close(pass.loss.value.scalar, "loss")
    tape.backward(from: pass.loss)
    for parameter in model.store.parameters {
      let gradient = try #require(parameter.variable.gradient, "\(parameter.name) has no gradient")
      expectClose(
        gradient.toArray(), try golden.floats("grad." + parameter.name), relativeToNorm: 1e-3, floor: 1e-7,
        parameter.name)
    }
  }
}
