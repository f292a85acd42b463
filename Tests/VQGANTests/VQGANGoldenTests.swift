import Autograd
import ForeignFiles
import ImageModels
import LlamaGen
import StreamFormat
import TensorCore
import Testing
import TestSupport
import VQGAN

/// The autoencoder against taming-transformers' own code run in PyTorch (float32): `vqgan_tiny`, three levels with
/// attention at the second, codes that are not normalised.
@Suite struct VQGANGoldenTests {
  let device = Device(threadCount: 2)
  let golden: Fixture
  /// The published names by LlamaGen's.
  let published: [String: String]
  let model: Tokenizer

  init() throws {
    golden = try Fixture("vqgan_tiny.safetensors")
    let names = golden.names(withPrefix: "param.")
    let translation = try #require(VQGANParameterNames(names))
    published = Dictionary(
      uniqueKeysWithValues: try names.map { (try #require(translation.llamaGenName(of: $0)), $0) })
    model = Tokenizer(
      TokenizerConfiguration(
        channels: 8, multipliers: [1, 2, 2], residualBlocks: 1, zChannels: 12, codebookSize: 48,
        codeDimension: 6,
        normalizesCodes: false, groups: 4, imageSize: 32, attentionLevels: [1]), device: device, seed: 0)
    for parameter in model.store.parameters {
      let name = try #require(published[parameter.name], "no published name of \(parameter.name)")
      let stored = try golden.record.tensor("param." + name, shape: parameter.variable.shape)
      try stored.copyFloats(into: parameter.variable.value.buffer)
    }
  }

  @Test func parametersAreThePublishedOnes() {
    #expect(Set(model.store.parameters.map(\.name)) == Set(published.keys))
    #expect(model.configuration.scalarCount == model.store.scalarCount)
  }

  @Test func latentsIndicesAndReconstruction() throws {
    let pass = model.trainingPass(
      Tape(device: device, isRecording: false), images: Variable(try golden.channelsLast("image", device)))
    expectClose(
      pass.latents.value.toArray(), try golden.channelsLast("latent", device).toArray(),
      relativeToLargest: 1e-4,
      "latents")
    #expect(try pass.quantized.indices == golden.integers("indices"))
    let decoded = try model.images(of: golden.integers("indices"), rows: 8, columns: 8).toArray()
    for (name, values) in [
      ("reconstruction", pass.reconstruction.value.toArray()), ("reconstruction_of_indices", decoded),
    ] {
      expectClose(
        values, try golden.channelsLast(name, device).toArray(), relativeToLargest: 1e-4, "\(name)")
    }
  }

  /// The published loss: commitment 1 and codebook 0.25.
  @Test func lossesAndAllGradients() throws {
    let tape = Tape(device: device)
    let pass = model.trainingPass(
      tape, images: Variable(try golden.channelsLast("image", device)), reconstruction: .l1, commitment: 1,
      codebook: 0.25)
    for (value, name) in [(pass.reconstructionLoss, "l1"), (pass.loss, "loss")] {
      let (actual, expected) = (value.value.scalar, try golden.floats(name)[0])
      #expect(abs(actual - expected) <= 1e-5 * abs(expected), "\(name): \(actual), expected \(expected)")
    }
    tape.backward(from: pass.loss)
    var compared = 0
    for parameter in model.store.parameters {
      let name = "grad." + published[parameter.name]!
      // A key's bias before a softmax has a gradient of rounding alone; the reference leaves it out.
      guard golden.record.tensors.contains(where: { $0.name == name }) else { continue }
      let gradient = try #require(parameter.variable.gradient, "\(parameter.name) has no gradient")
      expectClose(
        gradient.toArray(), try golden.floats(name), relativeToNorm: 1e-3, floor: 1e-7, parameter.name)
      compared += 1
    }
    #expect(compared == model.store.parameters.count - 5)
  }
}

/// Checkpoints of taming-transformers as they are published: a lightning file with the networks of the losses.
@Suite struct VQGANImportTests {
  private let device = Device(threadCount: 1)

  private func checkpoint(_ change: (inout [StoredTensor]) -> Void = { _ in }) throws -> ForeignWeights {
    let golden = try Fixture("vqgan_tiny.safetensors")
    var tensors = golden.record.tensors.filter { $0.name.hasPrefix("param.") }.map {
      $0.renamed(String($0.name.dropFirst(6)))
    }
    tensors.append(
      StoredTensor(name: "loss.discriminator.main.0.weight", shape: [2], floats: [1, 2] as [Float]))
    tensors.append(
      StoredTensor(name: "loss.perceptual_loss.lin0.model.1.weight", shape: [1], floats: [3] as [Float]))
    change(&tensors)
    return try ForeignWeights(TorchCheckpoint([("state_dict", tensors)]).bytes(), file: "vqgan.ckpt")
  }

  private func settings() -> ImportSettings {
    var settings = ImportSettings()
    (settings.groups, settings.imageSize) = (4, 32)
    return settings
  }

  @Test func sizesAndWeightsAreTakenAndTheLossesLeft() throws {
    let source = try WeightsImport(checkpoint(), as: .tokenizer, settings())
    #expect(source.part == "state_dict")
    let record = try source.record(as: .tokenizer, device: device)
    let tokenizer = try Tokenizer(record, device: device)
    #expect(
      tokenizer.configuration
        == TokenizerConfiguration(
          channels: 8, multipliers: [1, 2, 2], residualBlocks: 1, zChannels: 12, codebookSize: 48,
          codeDimension: 6,
          normalizesCodes: false, groups: 4, imageSize: 32, attentionLevels: [1]))
    let golden = try Fixture("vqgan_tiny.safetensors")
    let image = try golden.channelsLast("image", device)
    #expect(try tokenizer.tokens(of: image) == golden.integers("indices"))
    // Written and read again, with the levels of attention.
    let again = try Tokenizer(tokenizer.record(), device: device)
    #expect(again.configuration == tokenizer.configuration)
  }

  /// In the words of the checkpoint, not in those of our files.
  @Test(arguments: [
    "decoder.up.1.attn.0.k.weight", "encoder.mid.block_1.norm1.bias", "encoder.conv_in.weight",
  ])
  func aMissingParameterIsTold(name: String) throws {
    let broken = try checkpoint { $0.removeAll { $0.name == name } }
    #expect {
      try WeightsImport(broken, as: .tokenizer, settings()).record(as: .tokenizer, device: device)
    } throws: {
      "\($0)".contains(name)
    }
  }

  @Test(arguments: [
    "encoder.down.9.block.0.conv1.weight", "decoder.up.9.block.0.conv1.weight", "decoder.strange",
  ])
  func aSurplusParameterIsTold(name: String) throws {
    let broken = try checkpoint {
      $0.append(StoredTensor(name: name, shape: [2], floats: [1, 2] as [Float]))
    }
    #expect {
      try WeightsImport(broken, as: .tokenizer, settings()).record(as: .tokenizer, device: device)
    } throws: {
      "\($0)".contains("found a tensor \(name);")
    }
  }

  @Test func namesTranslateBothWays() throws {
    let names = try Fixture("vqgan_tiny.safetensors").names(withPrefix: "param.")
    let translation = try #require(VQGANParameterNames(names))
    for name in names {
      #expect(translation.publishedName(of: try #require(translation.llamaGenName(of: name))) == name)
    }
  }

  @Test func llamaGensNamesAreNotVQGANs() throws {
    let names = try Fixture("vq_tiny.safetensors").names(withPrefix: "param.")
    #expect(!names.isEmpty && VQGANParameterNames(names) == nil)
  }
}
