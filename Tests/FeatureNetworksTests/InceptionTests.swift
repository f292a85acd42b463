@testable import FeatureNetworks
import Foundation
import Images
import StreamFormat
@testable import TensorCore
import Testing
import TestSupport

/// Random weights and pictures, drawn as `Fixtures/networks/make-inception.py` draws them.
struct InceptionFixture {
  let fixture: Fixture
  let record: Record

  init() throws {
    fixture = try Fixture("networks/inception-expected.safetensors")
    let shapes: [String: [Int]] = try fixture.record.jsonMetadata("shapes")
    let moments = try fixture.floats("moments")
    let norms = shapes.keys.filter { $0.hasSuffix(".running_mean") }.map { $0.dropLast(13) }.sorted()
    let tensors = shapes.keys.sorted().enumerated().map { index, name in
      var values = Self.uniform(UInt64(index), shapes[name]!.reduce(1, *))
      let fan = Double(shapes[name]!.dropFirst().reduce(1, *))
      for i in values.indices {
        if name.hasSuffix("conv.weight") || name == "fc.weight" {
          values[i] *= Float(exp2(log2((6 / fan).squareRoot()).rounded(.toNearestOrEven)))
        } else {
          values[i] = values[i] * 0.25 + (name.hasSuffix("bn.weight") ? 1 : 0)
        }
      }
      if let norm = norms.firstIndex(where: { name.hasPrefix($0 + ".running") }) {
        values = values.map { _ in moments[2 * norm + (name.hasSuffix("mean") ? 0 : 1)] }
      }
      return StoredTensor(name: name, shape: shapes[name]!, floats: values)
    }
    var record = Record(kind: .network, tensors: tensors.filter { $0.name != "fc.bias" })
    try record.setJSONMetadata("config", NetworkConfiguration(name: "inception-v3"))
    self.record = record
  }

  private static func words(_ index: UInt64, _ count: Int) -> [UInt32] {
    let random = CounterRandom(seed: 11, purpose: .test, index: index)
    let blocks = (count + 3) / 4
    return [UInt32](unsafeUninitializedCapacity: 4 * blocks) { buffer, initialized in
      random.fill(buffer.baseAddress!, blocks: blocks)
      initialized = 4 * blocks
    }
  }

  static func uniform(_ index: UInt64, _ count: Int) -> [Float] {
    words(index, count).prefix(count).map { Float($0 >> 8) / Float(1 << 23) - 1 }
  }

  static func image(_ index: UInt64, side: Int) -> RGBImage {
    let (coarse, fine) = (words(index, 192), words(index + 500, side * side * 3))
    let pixels = (0..<side * side * 3).map { i -> UInt8 in
      let (y, x, c) = (i / 3 / side * 8 / side, i / 3 % side * 8 / side, i % 3)
      return UInt8((coarse[(y * 8 + x) * 3 + c] >> 24) * 3 / 4 + fine[i] >> 26)
    }
    return RGBImage(width: side, height: side, pixels: pixels)
  }
}

@Suite struct InceptionTests {
  @Test func agreesWithTorchFidelity() throws {
    let inputs = try InceptionFixture()
    for threads in [1, 2] {
      let device = Device(threadCount: threads)
      let network = try FeatureNetworks.load(
        "inception-v3", weights: inputs.record, tokenizer: nil, device: device)
      #expect(network.featureCount == 2048)
      let sides = [32, 256, 299]
      let batch = try network.extract(
        sides.enumerated().map { InceptionFixture.image(1000 + UInt64($0), side: $1) })
      let spatial = try #require(batch.spatial)
      let logits = try #require(batch.logits)
      #expect(batch.features.shape == [3, 2048] && spatial.shape == [3, 2023] && logits.shape == [3, 1008])
      for (tensor, name) in [(batch.features, "pool"), (spatial, "spatial"), (logits, "logits")] {
        let width = tensor.lastDimension
        for (i, side) in sides.enumerated() {
          let row = Array(tensor.toArray()[i * width..<(i + 1) * width])
          let expected = try inputs.fixture.floats("\(name).\(side)")
          expectClose(row, expected, relativeToLargest: 1e-4, "\(name), \(side) pixels, \(threads) threads")
        }
      }
    }
  }

  /// What pooling includes, where the maximum is, and the logits' bias are each worth more than the tolerance.
  @Test func theFixtureTellsVariantsApart() throws {
    let inputs = try InceptionFixture()
    let device = Device(threadCount: 2)
    let weights = try NetworkWeights(inputs.record, network: "inception-v3")
    let builder = InceptionBuilder(weights: weights, device: device)
    let x = device.random([2, 8, 8, 2048], 3)
    let pools: [ImageGraph] = [.maxPool(InceptionBuilder.samePool), .averagePool(InceptionBuilder.samePool)]
    let outputs = try pools.map {
      try meanOverPlaces(builder.blockE("Mixed_7c", 2048, pool: $0).apply(x, device), device).toArray()
    }
    #expect(Comparison(outputs[0], outputs[1]).largest > 1e-2 * Comparison(outputs[0], outputs[1]).scale)
  }

  @Test func anImageDoesNotDependOnItsNeighbours() throws {
    let inputs = try InceptionFixture()
    let network = try FeatureNetworks.load(
      "inception-v3", weights: inputs.record, tokenizer: nil, device: Device(threadCount: 2))
    let images = (0..<3).map { InceptionFixture.image(1020 + UInt64($0), side: 40) }
    let all = try network.extract(images)
    for (i, image) in images.enumerated() {
      let alone = try network.extract([image])
      #expect(alone.features.toArray() == Array(all.features.toArray()[i * 2048..<(i + 1) * 2048]))
      #expect(alone.spatial!.toArray() == Array(all.spatial!.toArray()[i * 2023..<(i + 1) * 2023]))
      #expect(alone.logits!.toArray() == Array(all.logits!.toArray()[i * 1008..<(i + 1) * 1008]))
    }
  }

  @Test func wrongWeightsAreRefused() throws {
    let device = Device(threadCount: 1)
    let record = try InceptionFixture().record
    #expect(throws: FormatError.self) {
      try FeatureNetworks.load("squeezenet-1.1", weights: record, tokenizer: nil, device: device)
    }
    var missing = record
    missing.tensors.removeAll { $0.name == "Mixed_6d.branch7x7_2.bn.bias" }
    #expect {
      try FeatureNetworks.load("inception-v3", weights: missing, tokenizer: nil, device: device)
    } throws: {
      ($0 as? FormatError)?.defect == .missingTensor
    }
    #expect(throws: FeatureNetworkError.weightsMissing(network: "inception-v3")) {
      try FeatureNetworks.load("inception-v3", weights: nil, tokenizer: nil, device: device)
    }
    #expect(throws: FeatureNetworkError.unknownNetwork("vgg")) {
      try FeatureNetworks.load("vgg", weights: nil, tokenizer: nil, device: device)
    }
  }
}
