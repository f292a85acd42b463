@testable import FeatureNetworks
import ForeignFiles
import Foundation
import LlamaGen
import StreamFormat
@testable import TensorCore
import Testing
import TestSupport

/// LPIPS with random weights, drawn as `Fixtures/networks/make-lpips.py` draws them.
@Suite struct PerceptualDistanceTests {
  /// Layers of the trunks in torchvision's numbers: inputs, outputs, kernel.
  private static let layers: [PerceptualDistance.Trunk: [(Int, Int, Int, Int)]] = [
    .alex: [(0, 3, 64, 11), (3, 64, 192, 5), (6, 192, 384, 3), (8, 384, 256, 3), (10, 256, 256, 3)],
    .vgg: [
      (0, 3, 64, 3), (2, 64, 64, 3), (5, 64, 128, 3), (7, 128, 128, 3), (10, 128, 256, 3), (12, 256, 256, 3),
      (14, 256, 256, 3), (17, 256, 512, 3), (19, 512, 512, 3), (21, 512, 512, 3), (24, 512, 512, 3),
      (26, 512, 512, 3), (28, 512, 512, 3),
    ],
  ]
  private static let headWidths: [PerceptualDistance.Trunk: [Int]] = [
    .alex: [64, 192, 384, 256, 256], .vgg: [64, 128, 256, 512, 512],
  ]

  static func weights(_ trunk: PerceptualDistance.Trunk) throws -> Record {
    var shapes: [String: [Int]] = [:]
    for (number, inputs, outputs, kernel) in Self.layers[trunk]! {
      shapes["features.\(number).weight"] = [outputs, inputs, kernel, kernel]
      shapes["features.\(number).bias"] = [outputs]
    }
    for (i, width) in Self.headWidths[trunk]!.enumerated() {
      shapes["lin\(i).model.1.weight"] = [1, width, 1, 1]
    }
    let tensors = shapes.keys.sorted().enumerated().map { index, name in
      let shape = shapes[name]!
      let fan = Double(shape.dropFirst().reduce(1, *))
      let scale =
        name.hasSuffix("bias") ? 0.125 : Float(exp2(log2((6 / fan).squareRoot()).rounded(.toNearestOrEven)))
      let values = InceptionFixture.uniform(UInt64(index), shape.reduce(1, *))
      return StoredTensor(
        name: name, shape: shape, floats: values.map { name.hasPrefix("lin") ? abs($0) : $0 * scale })
    }
    var record = Record(kind: .network, tensors: tensors)
    try record.setJSONMetadata("config", NetworkConfiguration(name: trunk.rawValue))
    return record
  }

  @Test(arguments: PerceptualDistance.Trunk.allCases) func agreesWithTheFormula(
    trunk: PerceptualDistance.Trunk
  ) throws {
    let expected = try Fixture("networks/lpips-expected.safetensors").floats(trunk == .alex ? "alex" : "vgg")
    let distance = try PerceptualDistance(trunk, weights: Self.weights(trunk), device: Device(threadCount: 2))
    for (i, side) in [32, 65].enumerated() {
      let (a, b) = (InceptionFixture.image(1200, side: side), InceptionFixture.image(1201, side: side))
      let found = distance.distances([a, a], [b, a])
      #expect(abs(found[0] - Double(expected[i])) < 1e-5, "\(found[0]), expected \(expected[i])")
      #expect(found[1] == 0)
    }
  }

  @Test func trunkAndHeadsAreImportedTogether() throws {
    let device = Device(threadCount: 1)
    let record = try Self.weights(.alex)
    func file(_ tensors: [StoredTensor]) throws -> ForeignWeights {
      let sink = MemorySink()
      let writer = RecordWriter(sink)
      try writer.write(Record(tensors: tensors))
      try writer.finish()
      return try ForeignWeights(sink.bytes, file: "weights")
    }
    let classifier = StoredTensor(name: "classifier.1.weight", shape: [1], floats: [0])
    let trunk = try file(record.tensors.filter { $0.name.hasPrefix("features") } + [classifier])
    var settings = ImportSettings()
    settings.linearHeads = try file(record.tensors.filter { $0.name.hasPrefix("lin") })
    let imported = try WeightsImport(trunk, as: .lpipsAlex, settings).record(as: .lpipsAlex, device: device)
    #expect(imported.weightsSHA256 == record.weightsSHA256)
    #expect {
      try WeightsImport(trunk, as: .lpipsAlex).record(as: .lpipsAlex, device: device)
    } throws: {
      ($0 as? FormatError)?.defect == .missingTensor
    }
  }
}
