import Autograd
import FeatureNetworks
import ImageModels
import TensorCore
import Testing
import TestSupport
import VQGAN

/// The discriminator that looks at features, and the losses made with it.
@Suite struct FeatureDiscriminatorTests {
  private let device = Device(threadCount: 2)
  private let sizes = FeatureDiscriminatorConfiguration(channels: 3)
  private let widths = [4, 5]

  private func discriminator() -> FeatureDiscriminator {
    FeatureDiscriminator(sizes, widths: widths, device: device, seed: 5)
  }

  private func seen(_ features: [Tensor]) -> SeenImages {
    SeenImages(Variable(device.zeros([1, 4, 4, 3])), features: features.map { Variable($0) })
  }

  private func logits(_ features: [Tensor], by network: FeatureDiscriminator) -> [Tensor] {
    network.logits(Tape(device: device, isRecording: false), seen(features), .discriminator).map(\.value)
  }

  /// Two stages of 4 x 3 and 2 x 2 positions.
  private func features(batch: Int) -> [Tensor] {
    [
      device.random([batch, 4, 3, 4], 61, deviation: 30), device.random([batch, 2, 2, 5], 62, deviation: 30),
    ]
  }

  @Test func parametersHaveTheirNames() {
    let shapes = discriminator().store.parameters.map { "\($0.name) \($0.variable.shape)" }
    #expect(
      shapes == [
        "heads.0.0.weight [3, 4, 1, 1]", "heads.0.0.bias [3]", "heads.0.1.weight [1, 3, 3, 3]",
        "heads.0.1.bias [1]", "heads.1.0.weight [3, 5, 1, 1]", "heads.1.0.bias [3]",
        "heads.1.1.weight [1, 3, 3, 3]", "heads.1.1.bias [1]",
      ])
  }

  /// Each logit by its formula, in double.
  @Test func logitsOfEachPosition() {
    let network = discriminator()
    // Biases that are not 0.
    for (index, parameter) in network.store.parameters.enumerated() where parameter.name.hasSuffix("bias") {
      parameter.variable.value.copyElements(
        from: device.random(parameter.variable.shape, UInt64(70 + index)))
    }
    let features = features(batch: 2)
    for (stage, found) in logits(features, by: network).enumerated() {
      let parameters = network.store.parameters[4 * stage..<4 * stage + 4].map {
        $0.variable.value.toArray().map { Double($0) }
      }
      let exact = byHand(features[stage], parameters, width: widths[stage])
      #expect(found.shape == [2, features[stage].shape[1], features[stage].shape[2], 1])
      expectClose(found.toArray(), exact.map { Float($0) }, relativeToLargest: 1e-5, "stage \(stage)")
    }
  }

  private func byHand(_ features: Tensor, _ parameters: [[Double]], width: Int) -> [Double] {
    let (batch, rows, columns) = (features.shape[0], features.shape[1], features.shape[2])
    let x = features.toArray().map { Double($0) }
    let hidden = (0..<batch * rows * columns).map { place -> [Double] in
      let row = Array(x[place * width..<(place + 1) * width])
      let length = (row.reduce(0) { $0 + $1 * $1 } / Double(width) + 1e-3).squareRoot()
      return (0..<3).map { channel in
        let sum = (0..<width).reduce(parameters[1][channel]) {
          $0 + row[$1] / length * parameters[0][channel * width + $1]
        }
        return sum > 0 ? sum : 0.2 * sum
      }
    }
    return (0..<batch * rows * columns).map { place in
      let (image, row, column) = (place / (rows * columns), place / columns % rows, place % columns)
      var sum = parameters[3][0]
      for (dy, dx) in (-1...1).flatMap({ dy in (-1...1).map { (dy, $0) } }) {
        guard (0..<rows).contains(row + dy), (0..<columns).contains(column + dx) else { continue }
        let neighbour = hidden[(image * rows + row + dy) * columns + column + dx]
        for channel in 0..<3 {
          sum += neighbour[channel] * parameters[2][channel * 9 + (dy + 1) * 3 + dx + 1]
        }
      }
      return sum
    }
  }

  @Test func imagesOfABatchDoNotDependOnEachOther() {
    let (network, both) = (discriminator(), features(batch: 2))
    let together = logits(both, by: network)
    for image in 0..<2 {
      let alone = logits(
        both.map { features in
          let count = features.count / 2
          let part = Array(features.toArray()[image * count..<(image + 1) * count])
          return device.tensor(part, [1] + features.shape.dropFirst())
        }, by: network)
      for (one, all) in zip(alone, together) {
        let count = all.count / 2
        expectClose(
          one.toArray(), Array(all.toArray()[image * count..<(image + 1) * count]),
          relativeToLargest: 1e-6, "image \(image)")
      }
    }
  }

  @Test(arguments: [DiscriminatorMode.discriminator, .generator]) func gradients(mode: DiscriminatorMode) {
    let (network, inputs) = (discriminator(), features(batch: 2).map { device.scaled($0, 1 / 30) })
    for stage in 0..<2 {
      checkGradients(device, of: [inputs[stage]]) { tape, variables in
        let features = inputs.indices.map { $0 == stage ? variables[0] : Variable(inputs[$0]) }
        let seen = SeenImages(Variable(device.zeros([1, 4, 4, 3])), features: features)
        return network.logits(tape, seen, mode)[stage]
      }
    }
    let trained = network.store.parameters.contains { $0.variable.gradient != nil }
    #expect(trained == (mode == .discriminator))
  }

  // MARK: The losses

  private func losses(isAdaptive: Bool, weight: Float = 0.3) throws -> ImageLosses {
    let network = try PerceptualLoss(weights: randomSqueezeNet(), side: 32, device: device)
    return ImageLosses(
      .init(
        perceptual: .init(weight: 0.7, network),
        adversarial: .init(weight: weight, start: 2, isAdaptive: isAdaptive, features: sizes)),
      perceptual: network, device: device, seed: 9)
  }

  private var real: Tensor { device.random([2, 32, 32, 3], 64, deviation: 0.4) }
  private var fake: Tensor { device.random([2, 32, 32, 3], 65, deviation: 0.4) }

  private func generator(_ losses: ImageLosses, step: Int = 2) -> ImageLosses.Result {
    losses.generator(fake, of: real, pixels: .l2, step: step) { $0 }
  }

  /// One pass over the network for all losses gives what a pass for each of them gives.
  @Test func oneTapeGivesTheSumOfTheGradients() throws {
    let joined = generator(try losses(isAdaptive: false))
    let likeness = generator(try losses(isAdaptive: false), step: 1)
    let apart = generator(try losses(isAdaptive: true))
    let factor = Float(try #require(apart.values["adaptive_weight"]))
    // What the adaptive weight multiplies, with the weight itself.
    let expected = zip(apart.gradient.toArray(), likeness.gradient.toArray()).map { all, alike in
      alike + (all - alike) / factor
    }
    expectClose(joined.gradient.toArray(), expected, relativeToNorm: 1e-3, floor: 1e-8, "gradient")
    let loss = try #require(joined.values["generator_loss"])
    #expect(abs(joined.loss - likeness.loss - 0.3 * loss) < 1e-5)
    #expect(likeness.values["generator_loss"] == nil)
  }

  /// The discriminator is trained on the features that are there, as if it had looked again.
  @Test func theFeaturesAreUsedTwice() throws {
    let losses = try losses(isAdaptive: false)
    let values = losses.trainDiscriminator(fake, of: real, after: generator(losses), step: 2)
    let store = try #require(losses.discriminator).store
    let found = store.parameters.map { $0.variable.gradient?.toArray() ?? [] }
    store.parameters.forEach { $0.variable.clearGradient() }
    let network = try PerceptualLoss(weights: randomSqueezeNet(), side: 32, device: device)
    let tape = Tape(device: device)
    func logits(_ images: Tensor) -> [Variable] {
      let images = Variable(images)
      let seen = SeenImages(images, features: network.features(tape, images))
      return losses.discriminator?.logits(tape, seen, .discriminator) ?? []
    }
    let loss = AdversarialLoss.hinge.discriminator(tape, real: logits(real), fake: logits(fake))
    tape.backward(from: loss, scale: 0.3)
    #expect(values["discriminator_loss"] == Double(loss.value.scalar))
    #expect(found == store.parameters.map { $0.variable.gradient?.toArray() ?? [] })
    // Within its margins the hinge moves no bias of a last layer: real and fake images pull alike.
    for (parameter, gradient) in zip(store.parameters, found) where parameter.name.hasSuffix("weight") {
      #expect(gradient.contains { $0 != 0 }, "\(parameter.name)")
    }
    // Before the start there is nothing to train.
    #expect(losses.trainDiscriminator(fake, of: real, after: generator(losses, step: 1), step: 1).isEmpty)
  }

  @Test func memoryOfTheHeadsIsCounted() throws {
    let network = try PerceptualLoss(weights: randomSqueezeNet(), side: 32, device: device)
    #expect(network.widths == [64, 128, 256, 384, 384, 512, 512])
    #expect(network.places(size: 32) == [256, 49, 9, 1, 1, 1, 1])
    let plain = ImageLosses(
      .init(perceptual: .init(weight: 1, network)), perceptual: network, device: device, seed: 1)
    let heads = zip(network.places(size: 32), network.widths).reduce(0) { $0 + $1.0 * (8 * $1.1 + 60) }
    #expect(
      try losses(isAdaptive: false).trainingBytesPerImage(size: 32)
        == plain.trainingBytesPerImage(size: 32) + Double(heads))
  }
}
