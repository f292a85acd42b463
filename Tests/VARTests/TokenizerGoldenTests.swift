import Autograd
import ImageModels
import StreamFormat
import TensorCore
import Testing
import TestSupport
import VAR

@Suite struct VARTokenizerGoldenTests {
  private let device = Device(threadCount: 2)
  private let fixture: TokenizerFixture
  private let model: Tokenizer
  private var golden: Fixture { fixture.golden }

  init() throws {
    fixture = try TokenizerFixture()
    model = try fixture.model(device)
  }

  @Test func allParametersAreThere() throws {
    #expect(model.configuration.problem == nil)
    #expect(model.store.scalarCount == model.configuration.scalarCount)
    let published = fixture.published.reduce(0) { $0 + $1.elementCount }
    #expect(model.store.scalarCount == published)
  }

  @Test func tokensAndImages() throws {
    let image = try golden.channelsLast("image", device)
    let tokens = try model.tokens(of: image)
    #expect(try tokens == fixture.tokens())
    let latents = model.encode(Tape(device: device, isRecording: false), Variable(image)).value
    try expectSame(latents, "latent")
    let decoded = try model.images(of: tokens, rows: 4, columns: 4)
    try expectSame(clamped(decoded), "reconstruction")
    let two = try model.images(of: Array(tokens.prefix(30)), rows: 4, columns: 4, scaleCount: 2)
    try expectSame(clamped(two), "reconstruction_from_first_two_scales")
  }

  /// An image has the same tokens in a batch of any size.
  @Test func anImageAlone() throws {
    let image = try golden.channelsLast("image", device)
    let second = device.tensor(Array(image.toArray()[(image.count / 2)...]), [1, 64, 64, 3])
    #expect(try model.tokens(of: second) == Array(fixture.tokens()[30...]))
  }

  @Test func sumsAfterEachScaleAndInputsOfAModel() throws {
    let quantizer = try #require(model.multiScale)
    let tape = Tape(device: device, isRecording: false)
    let tokens = try fixture.tokens()
    var sum: Variable?
    for scale in 0..<4 {
      let part = quantizer.image(tape, of: try golden.integers("idx.\(scale)"), count: 2, scale: scale)
      let total = sum.map { tape.add($0, part) } ?? part
      sum = total
      try expectSame(total.value, "f_hat.\(scale)")
    }
    let inputs = quantizer.inputs(tape, of: tokens)
    #expect(inputs.shape == [2, 29, 8])
    expectClose(inputs.toArray(), try golden.floats("var_input"), relativeToLargest: 1e-5, "var_input")
  }

  @Test func lossesAndGradients() throws {
    let tape = Tape(device: device)
    let pass = model.trainingPass(tape, images: Variable(try golden.channelsLast("image", device)))
    let quantizer =
      try #require(pass.quantized.codebookLoss).value.scalar + 0.25
      * #require(pass.quantized.commitmentLoss).value.scalar
    for (value, name) in [
      (pass.reconstructionLoss.value.scalar, "mse"), (quantizer, "vq_loss"), (pass.loss.value.scalar, "loss"),
    ] {
      let expected = try golden.floats("train." + name)[0]
      #expect(abs(value - expected) <= 1e-5 * abs(expected), "\(name): \(value), expected \(expected)")
    }
    tape.backward(from: pass.loss)
    var compared = 0
    for parameter in model.store.parameters {
      let gradient = try #require(parameter.variable.gradient, "\(parameter.name) has no gradient")
      guard let expected = try fixture.tensor(parameter.name, prefix: "grad.") else { continue }
      expectClose(gradient.toArray(), expected, relativeToNorm: 1e-3, floor: 1e-7, parameter.name)
      compared += 1
    }
    // The quantiser's ten and those of layers from one end of the network to the other.
    #expect(compared > 80, "\(compared)")
  }

  @Test func usageOfTheScales() throws {
    var usage = ScaleUsage(scaleCount: 4, codes: 64)
    let image = try golden.channelsLast("image", device)
    let mirrored = device.copy(image)
    for row in 0..<2 * 64 {
      for column in 0..<64 {
        let (from, to) = (
          image.pointer + (row * 64 + column) * 3, mirrored.pointer + (row * 64 + 63 - column) * 3
        )
        to.update(from: from, count: 3)
      }
    }
    for (step, images) in [(1, image), (2, mirrored)] {
      usage.add(try model.tokens(of: images), offsets: [0, 1, 5, 14, 30])
      expectClose(
        usage.hits, try golden.floats("train.ema_vocab_hit_SV_after_\(step)"), relativeToLargest: 1e-6, "hits"
      )
      let percent = usage.shares(latents: 2 * 16).map { Float(100 * $0) }
      expectClose(
        percent, try golden.floats("train.usages_after_\(step)"), relativeToLargest: 1e-6, "usages")
    }
  }

  // MARK: Variants

  @Test func aPhiForEachScale() throws {
    try expectVariant("share0") { $0.phiCount = 0 }
  }

  @Test func onePhiForAll() throws {
    try expectVariant("share1") { $0.phiCount = 1 }
  }

  @Test func withoutPhi() throws {
    try expectVariant("resi0") { $0.residualRatio = 0 }
  }

  @Test func codesByTheirCosine() throws {
    try expectVariant("znorm") { $0.comparesByCosine = true }
  }

  @Test func choiceOfPhi() throws {
    for name in golden.names(withPrefix: "phi_choice.") {
      let numbers = name.split(separator: "_").compactMap { Int($0.drop { !$0.isNumber }) }
      let configuration = MultiScaleConfiguration(scales: Array(1...numbers[0]), phiCount: numbers[1])
      let chosen = (0..<numbers[0]).map { configuration.phi(ofScale: $0) }
      #expect(try chosen == golden.integers("phi_choice." + name), "\(name)")
    }
  }

  private func expectVariant(_ name: String, _ change: (inout MultiScaleConfiguration) -> Void) throws {
    let own = golden.names(withPrefix: "\(name).param.")
    let variant = try fixture.model(device, TokenizerFixture.configuration(change)) { parameter in
      guard parameter.hasPrefix("quantize.") else { return nil }
      let short = String(parameter.dropFirst(9))
      return own.contains(short) ? "\(name).param.\(short)" : nil
    }
    let tape = Tape(device: device, isRecording: false)
    let found = variant.quantize(tape, Variable(try golden.channelsLast("latent", device)))
    #expect(try found.indices == golden.integers("\(name).idx"))
    try expectSame(found.vectors.value, "\(name).f_hat")
    // Written and read again, it is the same.
    let again = try Tokenizer(variant.record(), device: device)
    #expect(again.configuration == variant.configuration)
    #expect(again.store.parameters.map(\.name) == variant.store.parameters.map(\.name))
  }

  private func expectSame(_ value: Tensor, _ name: String) throws {
    expectClose(
      value.toArray(), try golden.channelsLast(name, device).toArray(), relativeToLargest: 1e-4, name)
  }

  private func clamped(_ images: Tensor) -> Tensor {
    device.tensor(images.toArray().map { min(max($0, -1), 1) }, images.shape)
  }
}

/// Sizes that cannot be are named, before anything is made of them.
@Suite struct VARTokenizerConfigurationTests {
  @Test func badSizesAreNamed() {
    func problem(_ change: (inout TokenizerConfiguration) -> Void) -> String? {
      var configuration = TokenizerFixture.configuration()
      change(&configuration)
      return configuration.problem
    }
    #expect(problem { _ in } == nil)
    for scales in [
      [], [4], [0, 4], [1, 2, 2, 4], [4, 1], [1, 2, 3], [1, 2, 3, 5], Array(1...65), [1, 1 << 40],
    ] {
      #expect(problem { $0.multiScale?.scales = scales } != nil, "\(scales)")
    }
    #expect(
      problem { $0.multiScale?.phiCount = -1 } != nil && problem { $0.multiScale?.phiCount = 65 } != nil)
    #expect(
      problem { $0.multiScale?.residualRatio = 1.5 } != nil
        && problem { $0.multiScale?.residualRatio = .nan } != nil)
    #expect(problem { $0.normalizesCodes = true } != nil && problem { $0.codeKernel = 5 } != nil)
    #expect(problem { $0.imageSize = 128 } != nil)
  }

  @Test func publishedTokenizers() throws {
    for (name, configuration) in TokenizerConfiguration.namedOfVAR {
      #expect(configuration.problem == nil, "\(name)")
      let device = Device(threadCount: 1)
      #expect(
        Tokenizer(configuration, device: device, seed: nil).store.scalarCount == configuration.scalarCount)
    }
    #expect(TokenizerConfiguration.namedOfVAR["VAR-256"]?.multiScale?.tokenCount == 680)
    #expect(TokenizerConfiguration.namedOfVAR["VAR-512"]?.multiScale?.tokenCount == 2240)
  }
}
