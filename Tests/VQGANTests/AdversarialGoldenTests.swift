import Autograd
@testable import FeatureNetworks
import ImageModels
import StreamFormat
import TensorCore
import Testing
import TestSupport
@testable import VQGAN

/// The PatchGAN discriminator and the losses made with it against LlamaGen's and taming-transformers' own modules run in
/// PyTorch (float32): `adversarial`, two layers of stride 2, with a narrow LPIPS.
@Suite struct AdversarialGoldenTests {
  private let device = Device(threadCount: 2)
  private let golden: Fixture

  init() throws { golden = try Fixture("adversarial.safetensors") }

  private static let sizes = DiscriminatorConfiguration(channels: 8, layers: 2)

  private func fill(_ discriminator: PatchDiscriminator) throws {
    for parameter in discriminator.store.parameters {
      let stored = try golden.record.tensor("param." + parameter.name, shape: parameter.variable.shape)
      try stored.copyFloats(into: parameter.variable.value.buffer)
    }
    try discriminator.loadStatistics(golden.record, prefix: "param.")
  }

  private func discriminator() throws -> PatchDiscriminator {
    let discriminator = PatchDiscriminator(Self.sizes, device: device, seed: 0)
    try fill(discriminator)
    return discriminator
  }

  private func image(_ name: String) throws -> Tensor { try golden.channelsLast(name, device) }

  private func expectNear(
    _ actual: Double, _ name: String, location: SourceLocation = #_sourceLocation
  ) throws {
    let expected = Double(try golden.floats(name)[0])
    #expect(
      abs(actual - expected) <= 1e-5 * abs(expected), "\(name): \(actual), expected \(expected)",
      sourceLocation: location)
  }

  private func expectGradient(
    _ gradient: Tensor?, _ expected: [Float], _ name: String, location: SourceLocation = #_sourceLocation
  ) {
    guard let gradient else {
      Issue.record("\(name): no gradient", sourceLocation: location)
      return
    }
    expectClose(
      gradient.toArray(), expected, relativeToNorm: 1e-3, floor: 1e-8, name, sourceLocation: location)
  }

  // MARK: The discriminator

  @Test func parametersAreThePublishedOnes() throws {
    let names = golden.names(withPrefix: "param.").filter {
      !$0.contains("running") && !$0.contains("num_batches")
    }
    #expect(Set(try discriminator().store.parameters.map(\.name)) == Set(names))
  }

  @Test func logitsAndLosses() throws {
    let (discriminator, tape) = (try discriminator(), Tape(device: device, isRecording: false))
    let real = discriminator.logits(tape, Variable(try image("real")), .discriminator)
    let fake = discriminator.logits(tape, Variable(try image("fake")), .discriminator)
    for (logits, name) in [(real, "logits_real"), (fake, "logits_fake")] {
      expectClose(logits.value.toArray(), try image(name).toArray(), relativeToLargest: 1e-4, name)
    }
    for loss in AdversarialLoss.allCases {
      let name = loss == .nonSaturating ? "non_saturating" : loss.rawValue
      try expectNear(
        Double(loss.discriminator(tape, real: real, fake: fake).value.scalar), "d_loss." + name)
      guard loss != .vanilla else { continue }
      try expectNear(Double(loss.generator(tape, fake: fake).value.scalar), "g_loss." + name)
    }
  }

  @Test func theDiscriminatorsGradients() throws {
    let (discriminator, tape) = (try discriminator(), Tape(device: device))
    let real = Variable(try image("real"), requiresGradient: true)
    let fake = Variable(try image("fake"), requiresGradient: true)
    let loss = AdversarialLoss.hinge.discriminator(
      tape, real: discriminator.logits(tape, real, .discriminator),
      fake: discriminator.logits(tape, fake, .discriminator))
    tape.backward(from: loss)
    expectGradient(real.gradient, try image("grad_d.real").toArray(), "real")
    expectGradient(fake.gradient, try image("grad_d.fake").toArray(), "fake")
    for parameter in discriminator.store.parameters {
      let expected = try golden.floats("grad_d.param." + parameter.name)
      expectGradient(parameter.variable.gradient, expected, parameter.name)
    }
  }

  /// The generator's pass gives its images their gradient; that of the parameters is there only where it is asked for.
  @Test(arguments: [DiscriminatorMode.discriminator, .generator]) func theGeneratorsGradients(
    mode: DiscriminatorMode
  ) throws {
    let (discriminator, tape) = (try discriminator(), Tape(device: device))
    let fake = Variable(try image("fake"), requiresGradient: true)
    tape.backward(from: AdversarialLoss.hinge.generator(tape, fake: discriminator.logits(tape, fake, mode)))
    expectGradient(fake.gradient, try image("grad_g.fake").toArray(), "fake")
    for parameter in discriminator.store.parameters {
      guard mode == .discriminator else {
        #expect(parameter.variable.gradient == nil)
        continue
      }
      let expected = try golden.floats("grad_g.param." + parameter.name)
      expectGradient(parameter.variable.gradient, expected, parameter.name)
    }
  }

  /// In a step: fake for the generator, then real and fake for the discriminator.
  @Test func runningStatistics() throws {
    let (discriminator, tape) = (try discriminator(), Tape(device: device, isRecording: false))
    func expectRunning(_ pass: String) throws {
      for stored in discriminator.storedStatistics(prefix: "") {
        expectClose(
          try stored.floats(), try golden.floats("running.after_\(pass)_pass." + stored.name),
          relativeToLargest: 1e-4, "\(stored.name) after \(pass)")
      }
    }
    _ = discriminator.logits(tape, Variable(try image("fake")), .generator)
    try expectRunning("generator")
    _ = discriminator.logits(tape, Variable(try image("real")), .discriminator)
    _ = discriminator.logits(tape, Variable(try image("fake")), .discriminator)
    try expectRunning("discriminator")
    expectClose(
      discriminator.evaluationLogits(try image("real")).toArray(), try image("logits_real_eval").toArray(),
      relativeToLargest: 1e-4, "logits in evaluation")
  }

  // MARK: The composed losses

  private func losses(_ options: ImageLosses.Options, _ perceptual: PerceptualLoss) throws -> ImageLosses {
    let losses = ImageLosses(options, perceptual: perceptual, device: device, seed: 0)
    try fill(try #require(losses.discriminator as? PatchDiscriminator))
    return losses
  }

  private func perceptual() throws -> PerceptualLoss {
    var record = Record(kind: .network, tensors: golden.perceptualNetwork(prefix: "lpips.param."))
    try record.setJSONMetadata("config", NetworkConfiguration(name: "lpips-vgg"))
    let weights = try NetworkWeights(record, network: "lpips-vgg")
    let distance = try PerceptualDistance(.vgg, weights, widths: [8, 12, 12, 16, 16], device: device)
    return PerceptualLoss(name: "lpips-vgg", weightsSHA256: "00", features: distance.features)
  }

  /// The gradient by the weight of the layer that made `fake`.
  private func lastLayerGradient(_ gradient: Tensor) throws -> Tensor {
    let g = ConvolutionGeometry(inChannels: 8, outChannels: 3, kernel: 3)
    let result = device.zeros(g.weightShape)
    _ = device.convolveBackward(
      gradient, input: device.convolutionInput(try image("last_layer.input")),
      weight: device.zeros(g.weightShape),
      g, weightGradient: result, biasGradient: device.zeros([3]), needsInputGradient: false)
    return result
  }

  private struct Case {
    var name: String
    var step = 100
    var pixels = ReconstructionLoss.l2
    var pixelWeight: Float = 1
    var perceptualWeight: Float = 1
    var adversarialWeight: Float = 0.5
    var isAdaptive = false
    var loss = AdversarialLoss.hinge
    /// The quantiser's losses, which the reference adds: vq, commitment and entropy, or taming's one with its weight.
    var codebook = 0.31 + 0.12 + 0.05
    /// taming's discriminator loss has no weight but the factor of its gate.
    var discriminatorWeight: Double?
  }

  private static let cases = [
    Case(name: "llamagen.closed", step: 99), Case(name: "llamagen.open"),
    Case(name: "llamagen.adaptive", isAdaptive: true),
    Case(name: "llamagen.adaptive_closed", step: 99, isAdaptive: true),
    Case(name: "llamagen.weighted_l1", pixels: .l1, pixelWeight: 1.5, perceptualWeight: 0.7),
    Case(name: "llamagen.non_saturating", loss: .nonSaturating),
    Case(
      name: "taming.closed", step: 99, pixels: .l1, adversarialWeight: 0.8, isAdaptive: true, codebook: 0.43,
      discriminatorWeight: 1),
    Case(
      name: "taming.open", pixels: .l1, adversarialWeight: 0.8, isAdaptive: true, codebook: 0.43,
      discriminatorWeight: 1),
    // disc_weight 0.8, disc_factor 0.9, codebook_weight 1.3
    Case(
      name: "taming.weighted", pixels: .l1, perceptualWeight: 0.6, adversarialWeight: 0.8 * 0.9,
      isAdaptive: true,
      codebook: 0.43 * 1.3, discriminatorWeight: 0.9),
  ]

  @Test(arguments: cases.indices) func composedLosses(index: Int) throws {
    let (c, network) = (Self.cases[index], try perceptual())
    let losses = try losses(
      .init(
        pixelWeight: c.pixelWeight, perceptual: .init(weight: c.perceptualWeight, network),
        adversarial: .init(
          weight: c.adversarialWeight, start: 100, isAdaptive: c.isAdaptive, loss: c.loss,
          discriminator: Self.sizes)), network)
    let (fake, real) = (try image("fake"), try image("real"))
    let result = try withoutActuallyThrowing {
      losses.generator(fake, of: real, pixels: c.pixels, step: c.step, lastLayer: $0)
    }
    try expectNear(result.loss + c.codebook, c.name + ".generator_loss")
    expectGradient(
      result.gradient, try image(c.name + ".grad_reconstruction").toArray(), c.name + " gradient")
    if c.name == "llamagen.open" {
      try expectNear(try #require(result.values["reconstruction_loss"]), "llamagen.rec_loss")
      try expectNear(try #require(result.values["perceptual_loss"]), "llamagen.p_loss")
      try expectNear(try #require(result.values["generator_loss"]), "llamagen.generator_adv_loss")
    }
    if c.name == "taming.open" {
      let weight = try #require(result.values["adaptive_weight"]) * 0.8
      let expected = Double(try golden.floats("taming.open.d_weight")[0])
      // The ratio of two norms of gradients.
      #expect(abs(weight - expected) < 1e-4 * expected)
    }
    let values = losses.trainDiscriminator(fake, of: real, after: result, step: c.step)
    let gradients = try #require(losses.discriminator).store.parameters.map(\.variable.gradient)
    guard c.step >= 100 else {
      #expect(values.isEmpty && gradients.allSatisfy { $0 == nil })
      #expect(try golden.floats(c.name + ".discriminator_loss") == [0])
      return
    }
    let weight = c.discriminatorWeight ?? Double(c.adversarialWeight)
    try expectNear(weight * (values["discriminator_loss"] ?? .nan), c.name + ".discriminator_loss")
    guard c.loss == .hinge else { return }
    // The gradients have the weight of the loss.
    for (gradient, parameter) in zip(gradients, losses.discriminator?.store.parameters ?? []) {
      let expected = try golden.floats("grad_d.param." + parameter.name).map { $0 * c.adversarialWeight }
      expectGradient(gradient, expected, parameter.name)
    }
  }

  /// The closure of the losses cannot throw; the fixture can.
  private func withoutActuallyThrowing<Result>(
    _ body: (_ lastLayer: (Tensor) -> Tensor) -> Result
  ) throws -> Result {
    var failure: (any Error)?
    let result = body { gradient in
      do { return try lastLayerGradient(gradient) } catch {
        failure = error
        return gradient
      }
    }
    if let failure { throw failure }
    return result
  }

  @Test func adaptiveWeights() throws {
    func weight(_ name: String, factor: Float = 1) throws -> Double {
      let generator = device.scaled(try golden.tensor("adaptive.\(name).grad_g", device), factor)
      return adaptiveWeight(
        likeness: try golden.tensor("adaptive.\(name).grad_nll", device), generator: generator, device)
    }
    try expectNear(try weight("llamagen"), "adaptive.llamagen.value")
    try expectNear(try weight("llamagen", factor: 1e-3), "adaptive.llamagen.value_g_times_1e-3")
    #expect(
      try Float(weight("llamagen", factor: 0)) == golden.floats("adaptive.llamagen.value_at_ceiling")[0])
    try expectNear(0.8 * (try weight("taming")), "taming.open.d_weight")
    let large = device.scaled(try golden.tensor("adaptive.llamagen.grad_nll", device), 1e6)
    #expect(adaptiveWeight(likeness: large, generator: device.zeros([1]), device) == 1e4)
  }

  @Test func sizesThatDoNotFitAreTold() {
    #expect(DiscriminatorConfiguration(layers: 3).problem(imageSize: 24) == nil)
    #expect(DiscriminatorConfiguration(layers: 3).problem(imageSize: 23)?.contains("too small") == true)
    #expect(DiscriminatorConfiguration(channels: 0).problem(imageSize: 64) != nil)
    #expect(DiscriminatorConfiguration(layers: 9).problem(imageSize: 4096) != nil)
  }

  @Test(arguments: [(1, 1), (7, 2), (16, 5)]) func parameterBytesAreThoseOfTheParameters(
    channels: Int, layers: Int
  ) {
    let sizes = DiscriminatorConfiguration(channels: channels, layers: layers)
    let discriminator = PatchDiscriminator(sizes, device: device, seed: 1)
    #expect(sizes.parameterBytes == Double(4 * discriminator.store.scalarCount))
  }

  /// The smallest images that are allowed have a logit.
  @Test(arguments: [(1, 6), (2, 12), (3, 24)]) func theSmallestImages(layers: Int, side: Int) {
    let discriminator = PatchDiscriminator(.init(channels: 2, layers: layers), device: device, seed: 1)
    let tape = Tape(device: device, isRecording: false)
    let logits = discriminator.logits(tape, Variable(device.random([1, side, side, 3], 1)), .discriminator)
    #expect(logits.shape == [1, 1, 1, 1] && logits.value.isFinite)
  }

  /// Published start: normal kernels of deviation 0.02, norms around 1, and other numbers than a tokenizer's.
  @Test func theStart() throws {
    let discriminator = PatchDiscriminator(.init(channels: 32, layers: 2), device: device, seed: 3)
    let values = Dictionary(
      uniqueKeysWithValues: discriminator.store.parameters.map { ($0.name, $0.variable.value.toArray()) })
    func deviation(_ name: String, mean: Float) throws -> Float {
      let x = try #require(values[name])
      return (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(x.count)).squareRoot()
    }
    #expect(abs(try deviation("main.5.weight", mean: 0) - 0.02) < 2e-4)
    #expect(try deviation("main.6.weight", mean: 1) < 0.03)
    #expect(values["main.6.bias"]?.allSatisfy { $0 == 0 } == true)
    #expect(values["main.0.bias"]?.allSatisfy { abs($0) <= 1 / Float(48).squareRoot() && $0 != 0 } == true)
    let again = PatchDiscriminator(.init(channels: 32, layers: 2), device: device, seed: 3)
    #expect(again.store.parameters[0].variable.value.toArray() == values["main.0.weight"])
  }
}
