import Autograd
@testable import FeatureNetworks
import ForeignFiles
import Images
import LlamaGen
import StreamFormat
import TensorCore
import Testing
import TestSupport

/// The gradients of LPIPS against LlamaGen's own module run in PyTorch (float32): `lpips_training`, VGG16 of reduced
/// widths, and the real ones with weights by formula.
@Suite struct PerceptualLossTests {
  private let device = Device(threadCount: 2)

  /// The network of a fixture, whose parameters have the names of the reference.
  private func narrow(_ golden: Fixture, prefix: String, widths: [Int]) throws -> ComparedFeatures {
    var record = Record(kind: .network, tensors: golden.perceptualNetwork(prefix: prefix))
    try record.setJSONMetadata("config", NetworkConfiguration(name: "lpips-vgg"))
    let weights = try NetworkWeights(record, network: "lpips-vgg")
    return try PerceptualDistance(.vgg, weights, widths: widths, device: device).features
  }

  private func compare(_ name: String, _ golden: Fixture, _ features: ComparedFeatures) throws {
    let (first, second) = (
      Variable(try golden.channelsLast(name + ".first", device), requiresGradient: true),
      Variable(try golden.channelsLast(name + ".second", device), requiresGradient: true)
    )
    let tape = Tape(device: device)
    let distances = features.distances(tape, first, second)
    expectClose(
      distances.value.toArray(), try golden.floats(name + ".distance"), relativeToLargest: 1e-4, name)
    tape.backward(from: tape.mean(distances))
    for (variable, part) in [(first, ".grad_first"), (second, ".grad_second")] {
      expectClose(
        try #require(variable.gradient).toArray(), try golden.channelsLast(name + part, device).toArray(),
        relativeToNorm: 1e-3, name + part)
    }
  }

  @Test(arguments: ["a", "b"]) func narrowNetworks(pair: String) throws {
    let golden = try Fixture("lpips_training.safetensors")
    let features = try narrow(golden, prefix: "param.", widths: [8, 16, 16, 24, 24])
    try compare(pair, golden, features)
  }

  @Test func eachStage() throws {
    let golden = try Fixture("lpips_training.safetensors")
    let features = try narrow(golden, prefix: "param.", widths: [8, 16, 16, 24, 24])
    let tape = Tape(device: device, isRecording: false)
    let (first, second) = (
      try golden.channelsLast("a.first", device), try golden.channelsLast("a.second", device)
    )
    let stages = features.stageDistances(
      tape, features.features(tape, Variable(first)), to: features.features(tape, Variable(second)))
    #expect(stages.count == 5)
    expectClose(
      stages.flatMap { $0.value.toArray() }, try golden.floats("a.distance_per_stage"),
      relativeToLargest: 1e-4, "stages")
  }

  @Test func theWholeNetwork() throws {
    let golden = try Fixture("lpips_training.safetensors")
    let features = try PerceptualDistance(
      .vgg, weights: PerceptualDistanceTests.weights(.vgg), device: device
    ).features
    try compare("full", golden, features)
    // 32 x 32 places of 64 channels twice, 16 x 16 of 128 twice, and so on.
    #expect(features.activationCount(side: 32) == 276_480)
  }

  @Test func lossesAreReadByTheirNames() throws {
    let vgg = try PerceptualLoss(weights: PerceptualDistanceTests.weights(.vgg), side: 32, device: device)
    #expect(vgg.name == "lpips-vgg" && vgg.trainingBytesPerImage(size: 32) == 8 * 276_480)
    let squeeze = try PerceptualLoss(weights: randomSqueezeNet(), side: 32, device: device)
    #expect(squeeze.name == "squeezenet perceptual distance")
    var other = Record(kind: .network, tensors: [])
    try other.setJSONMetadata("config", NetworkConfiguration(name: "inception-v3"))
    #expect {
      try PerceptualLoss(weights: other, side: 32, device: device)
    } throws: {
      "\($0)".contains("found inception-v3") && "\($0)".contains("squeezenet-1.1")
    }
  }

  /// Images are scaled before they are compared, and the gradient is by the images as they came.
  @Test func imagesAreComparedAtAnotherSize() throws {
    let (small, large) = (
      try PerceptualLoss(weights: randomSqueezeNet(), side: 32, comparedSide: 48, device: device),
      try PerceptualLoss(weights: randomSqueezeNet(), side: 48, device: device)
    )
    let y = Variable(device.random([2, 32, 32, 3], 34, deviation: 0.4))
    func result(_ distances: (Tape, Variable) -> Variable) throws -> [[Float]] {
      let x = Variable(device.random([2, 32, 32, 3], 33, deviation: 0.4), requiresGradient: true)
      let tape = Tape(device: device)
      let found = distances(tape, x)
      tape.backward(from: tape.mean(found))
      return [found.value.toArray(), try #require(x.gradient).toArray()]
    }
    let scaled = try result { small.distances($0, $1, to: y) }
    let byHand = try result { tape, x in
      func at48(_ images: Variable) -> Variable { tape.interpolate(images, height: 48, width: 48, .bilinear) }
      return large.distances(tape, at48(x), to: at48(y))
    }
    #expect(scaled == byHand)
    #expect(small.trainingBytesPerImage(size: 32) == large.trainingBytesPerImage(size: 48))
  }

  /// Equal images are at distance 0; the gradient is that of central differences; a target gets none.
  @Test func squeezeNetsDistance() throws {
    let loss = try PerceptualLoss(weights: randomSqueezeNet(), side: 32, device: device)
    let x = device.random([2, 32, 32, 3], 31, deviation: 0.4)
    let y = device.random([2, 32, 32, 3], 32, deviation: 0.4)
    let quiet = Tape(device: device, isRecording: false)
    #expect(loss.distances(quiet, Variable(x), to: Variable(x)).value.toArray() == [0, 0])
    let between = loss.distances(quiet, Variable(x), to: Variable(y)).value.toArray()
    // Unit vectors of features that are not negative are at a squared distance of at most 2.
    #expect(between.allSatisfy { $0 > 0.001 && $0 < 2 })
    // Along the gradient, where the change is largest, and a short way: in ten layers there is soon a corner of a ReLU.
    let (tape, variable) = (Tape(device: device), Variable(x, requiresGradient: true))
    tape.backward(from: tape.mean(loss.distances(tape, variable, to: Variable(y))))
    let gradient = try #require(variable.gradient).toArray()
    let norm = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    func distance(_ step: Double) -> Double {
      let moved = zip(x.toArray(), gradient).map { $0 + Float(step / norm) * $1 }
      let pair = loss.distances(quiet, Variable(device.tensor(moved, x.shape)), to: Variable(y))
      return pair.value.toArray().reduce(0) { $0 + Double($1) } / 2
    }
    let measured = (distance(0.005) - distance(-0.005)) / 0.01
    #expect(norm > 1e-4 && abs(measured - norm) < 0.05 * norm, "measured \(measured), norm \(norm)")
  }

  /// The distance in SqueezeNet's features is that of the features which its trunk gives for a metric.
  @Test func squeezeNetsChannelsAreBlueFirst() throws {
    let weights = try NetworkWeights(randomSqueezeNet(), network: "squeezenet-1.1")
    let features = try SqueezeNet.comparedFeatures(weights, side: 32, device: device)
    #expect(features.stages.map(\.weights.count) == [64, 128, 256, 384, 384, 512, 512])
    let image = InceptionFixture.image(40, side: 32)
    let input = device.tensor(image.pixels.map { Float($0) / 127.5 - 1 }, [1, 32, 32, 3])
    let tape = Tape(device: device, isRecording: false)
    let last = features.stages.reduce(tape.standardizeChannels(Variable(input), features.scale)) {
      $1.graph.apply($0, tape)
    }.value
    let network = try SqueezeNet(weights, side: 32, device: device)
    let expected = network.extract([image]).features.toArray()
    let places = last.shape[1] * last.shape[2]
    let means = (0..<512).map { c in
      (0..<places).reduce(Float(0)) { $0 + last.pointer[$1 * 512 + c] } / Float(places)
    }
    expectClose(means, expected, relativeToLargest: 1e-4, "means of the last module")
  }
}
