import Autograd
import ImageModels
import NeuralNet
import TensorCore
import VQGAN

extension BenchmarkRow {
  /// Optimiser steps of the tokenizer of 32-pixel images: on pixels alone, and against a discriminator too.
  static let tokenizerTraining: [BenchmarkRow] = [
    tokenizerStep("train-tokenizer-32", adversarial: nil),
    tokenizerStep(
      "train-adversarial-32",
      adversarial: ImageLosses.Adversarial(
        start: 1, isAdaptive: true, discriminator: DiscriminatorConfiguration(channels: 32, layers: 2))),
  ]

  private static func tokenizerStep(_ name: String, adversarial: ImageLosses.Adversarial?) -> BenchmarkRow {
    let images = 32
    return BenchmarkRow(name: name, unit: "images", units: Double(images)) { device in
      let step = TokenizerStep(images: images, adversarial: adversarial, device: device)
      return { step.run() }
    }
  }
}

/// An autoencoder with what an optimiser step of it needs.
private final class TokenizerStep {
  private let model: Tokenizer
  private let losses: ImageLosses
  private let optimizer: Optimizer
  /// The discriminator's, where there is one.
  private let opponent: Optimizer?
  private let batch: Variable
  private var count = 0

  init(images: Int, adversarial: ImageLosses.Adversarial?, device: Device) {
    let configuration = TokenizerConfiguration(
      channels: 16, multipliers: [1, 2, 4], residualBlocks: 1, zChannels: 64, codebookSize: 1024, groups: 8,
      imageSize: 32)
    model = Tokenizer(configuration, device: device, seed: 1)
    losses = ImageLosses(
      ImageLosses.Options(adversarial: adversarial), perceptual: nil, device: device, seed: 2)
    optimizer = Optimizer(model.store)
    opponent = losses.discriminator.map { Optimizer($0.store) }
    var random = CounterRandom(seed: 3, purpose: .test)
    let pixels = device.empty([images, 32, 32, 3])
    for i in 0..<pixels.count { pixels.pointer[i] = Float(random.uniform()) * 2 - 1 }
    batch = Variable(pixels)
  }

  /// The autoencoder's gradients, the discriminator's, and a step of both, as a training run takes them.
  func run() {
    let tape = Tape(device: model.store.device)
    let pass = model.reconstruct(tape, images: batch, isQuantized: true)
    let result = losses.generator(pass.images.value, of: batch.value, pixels: .l2, step: count + 1) {
      [model] in model.lastLayerGradient($0, features: pass.features)
    }
    var terms = [(tape.dot(pass.images, result.gradient), Float(1))]
    terms += pass.quantized?.losses(commitment: 0.25, codebook: 1, entropy: nil) ?? []
    tape.backward(from: tape.weightedSum(terms))
    _ = losses.trainDiscriminator(pass.images.value, of: batch.value, after: result, step: count + 1)
    for optimizer in [optimizer, opponent].compactMap({ $0 }) {
      optimizer.step(learningRate: 1e-4, gradientNorm: optimizer.gradientNorm())
    }
    count += 1
  }
}
