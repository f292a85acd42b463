@testable import FeatureNetworks
import ForeignFiles
import ImageModels
import LlamaGen
import StreamFormat
@testable import TensorCore
import Testing
import TestSupport

/// Checkpoints as LlamaGen lays them out, and the networks under their sources' names.
@Suite struct WeightsImportTests {
  private let device = Device(threadCount: 1)

  /// A file of the given tensors, each name with a prefix.
  private func file(_ tensors: [StoredTensor], prefix: String = "") throws -> ForeignWeights {
    let sink = MemorySink()
    let writer = RecordWriter(sink)
    try writer.write(Record(tensors: tensors.map { $0.renamed(prefix + $0.name) }))
    try writer.finish()
    return try ForeignWeights(sink.bytes, file: "weights")
  }

  private func sameValues(_ a: Record, _ b: Record) -> Bool {
    let bytes = { (record: Record) in
      Dictionary(uniqueKeysWithValues: record.tensors.map { ($0.name, $0.bytes) })
    }
    return bytes(a) == bytes(b)
  }

  @Test func tokenizerSizesComeFromShapes() throws {
    let configuration = TokenizerConfiguration(
      channels: 8, multipliers: [1, 2, 2], residualBlocks: 2, zChannels: 12, codebookSize: 32,
      codeDimension: 4,
      groups: 4, imageSize: 32)
    let original = try Tokenizer(configuration, device: device, seed: 5).record()
    var settings = ImportSettings()
    (settings.groups, settings.imageSize) = (4, 32)
    let counts = StoredTensor(
      name: "quantize.codebook_used", shape: [8], floats: [Float](repeating: 0, count: 8))
    let foreign = try file(original.tensors + [counts], prefix: "model.")
    let imported = try WeightsImport(foreign, as: .tokenizer, settings).record(as: .tokenizer, device: device)
    #expect(try imported.jsonMetadata("config", as: TokenizerConfiguration.self) == configuration)
    #expect(imported.metadata["codebook_sha256"] == original.metadata["codebook_sha256"])
    #expect(sameValues(imported, original))
  }

  @Test func modelSizesComeFromShapes() throws {
    let configuration = TransformerConfiguration(
      layers: 2, heads: 2, width: 16, vocabularySize: 24, gridRows: 3, gridColumns: 4, classCount: 5)
    let description = ModelDescription(codebookSHA256: "f00d", classNames: [], clusterSize: 0)
    let original = try Transformer(configuration, device: device, seed: 5).record(description: description)
    var settings = ImportSettings()
    (settings.heads, settings.grid, settings.codebookSHA256) = (2, (3, 4), "f00d")
    settings.classes = 5
    let foreign = try file(original.tensors, prefix: "model._orig_mod.")
    let imported = try WeightsImport(foreign, as: .arModel, settings).record(as: .arModel, device: device)
    let (_, read) = try Transformer.read(imported, device: device)
    #expect(read == description)
    #expect(try imported.jsonMetadata("config", as: TransformerConfiguration.self) == configuration)
  }

  @Test func missingUnknownAndMisshapenTensorsAreRefused() throws {
    let record = try InceptionFixture().record
    func defect(_ tensors: [StoredTensor]) throws -> FormatError.Defect? {
      do {
        _ = try WeightsImport(file(tensors), as: .inceptionV3).record(as: .inceptionV3, device: device)
        return nil
      } catch let error as FormatError { return error.defect }
    }
    let extras = [
      StoredTensor(name: "fc.bias", shape: [1008], floats: [Float](repeating: 0, count: 1008)),
      StoredTensor(
        name: "Conv2d_1a_3x3.bn.num_batches_tracked", elementType: .int64, shape: [],
        bytes: [UInt8](repeating: 0, count: 8)),
    ]
    #expect(try defect(record.tensors + extras) == nil)
    #expect(try defect(record.tensors.filter { $0.name != "fc.weight" }) == .missingTensor)
    let foreign = StoredTensor(name: "AuxLogits.fc.weight", shape: [1], floats: [0])
    #expect(try defect(record.tensors + [foreign]) == .unexpectedTensor)
    let thousand = StoredTensor(
      name: "fc.weight", shape: [1000, 2048], floats: [Float](repeating: 0, count: 2_048_000))
    #expect(
      try defect(record.tensors.filter { $0.name != "fc.weight" } + [thousand]) == .wrongShape,
      "torchvision's")
  }
}
