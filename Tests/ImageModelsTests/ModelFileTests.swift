@testable import ImageModels
import NeuralNet
import StreamFormat
import TensorCore
import Testing
import TestSupport

/// Model files: what is written is read back, and what does not fit together is refused.
@Suite struct ModelFileTests {
  let device = Device(threadCount: 1)
  let description = ModelDescription(
    codebookSHA256: String(repeating: "ab", count: 32), classNames: ["a", "b", "c"], clusterSize: 4)

  func transformer() -> Transformer {
    Transformer(
      TransformerConfiguration(
        layers: 2, heads: 2, width: 16, vocabularySize: 12, gridRows: 2, gridColumns: 3, classCount: 3),
      device: device, seed: 5)
  }

  func tokenizer() -> Tokenizer {
    Tokenizer(
      TokenizerConfiguration(
        channels: 8, multipliers: [1, 2], residualBlocks: 1, zChannels: 8, codebookSize: 10, codeDimension: 4,
        groups: 4, imageSize: 8), device: device, seed: 6)
  }

  func values(_ store: ParameterStore) -> [[Float]] { store.parameters.map { $0.variable.value.toArray() } }

  @Test func transformerRoundTrip() throws {
    let model = transformer()
    let record = try model.record(description: description, metadata: ["provenance": "[]"])
    #expect(record.metadata["kind"] == "ar-model" && record.metadata["provenance"] == "[]")
    let (read, readDescription) = try Transformer.read(record, device: device)
    #expect(read.configuration == model.configuration && readDescription == description)
    #expect(values(read.store) == values(model.store))
  }

  @Test func tokenizerRoundTrip() throws {
    let model = tokenizer()
    let read = try Tokenizer(try model.record(), device: device)
    #expect(read.configuration == model.configuration)
    #expect(values(read.store) == values(model.store))
    #expect(read.codebookSHA256 == model.codebookSHA256)
    #expect(try model.record().metadata["codebook_sha256"] == model.codebookSHA256)
  }

  @Test func otherValuesCanBeStoredInPlaceOfTheParameters() throws {
    let model = tokenizer()
    let average = MovingAverage(model.store, decay: 0.5)
    for value in average.values { value.pointer.update(repeating: 0.25, count: value.count) }
    let record = try model.record(values: average.values)
    let read = try Tokenizer(record, device: device)
    #expect(values(read.store).allSatisfy { $0.allSatisfy { $0 == 0.25 } })
    #expect(try record.metadata("codebook_sha256") == read.codebookSHA256)
  }

  /// What reading a changed record throws, as a whole and tensor by tensor.
  func defect(_ change: (inout Record) -> Void) throws -> FormatError.Defect? {
    var record = try transformer().record(description: description)
    change(&record)
    let whole = try defect(of: { _ = try Transformer.read(record, device: device) })
    let streamed = try defect(of: {
      _ = try PackedTransformer.read(reader(of: record), precision: .int8, device: device)
    })
    #expect(whole == streamed)
    return whole
  }

  private func defect(of read: () throws -> Void) throws -> FormatError.Defect? {
    do {
      try read()
      return nil
    } catch let error as FormatError {
      return error.defect
    }
  }

  @Test func missingMisshapenAndExtraTensorsAreRefused() throws {
    #expect(try defect { _ in } == nil)
    #expect(try defect { $0.tensors.removeAll { $0.name == "norm.weight" } } == .missingTensor)
    #expect(
      try defect { record in
        let place = record.tensors.firstIndex { $0.name == "layers.1.attention.wo.weight" }!
        record.tensors[place] = StoredTensor(
          name: "layers.1.attention.wo.weight", shape: [8, 32], floats: [Float](repeating: 0, count: 256))
      } == .wrongShape)
    #expect(
      try defect { $0.tensors.append(StoredTensor(name: "more", shape: [1], floats: [1])) }
        == .unexpectedTensor)
  }

  @Test func configurationsThatLieAreRefused() throws {
    func configured(_ change: (inout TransformerConfiguration) -> Void) throws -> FormatError.Defect? {
      var configuration = transformer().configuration
      change(&configuration)
      let json = try sortedJSON(configuration)
      return try defect { $0.metadata["config"] = json }
    }
    #expect(try configured { $0.layers = 3 } == .missingTensor)
    #expect(try configured { $0.layers = 1 } == .unexpectedTensor)
    #expect(try configured { $0.vocabularySize = 16 } == .wrongShape)
    #expect(try configured { $0.heads = 5 } == .badMetadata)
    #expect(try configured { $0.layers = -1 } == .badMetadata)
    // Sizes that are possible one by one, and terabytes together: refused before anything is allocated.
    #expect(try configured { ($0.layers, $0.width) = (511, 1 << 16) } == .badMetadata)
    #expect(try configured { $0.vocabularySize = 1 << 24 } == .badMetadata)
    #expect(try configured { ($0.gridRows, $0.gridColumns) = (1 << 23, 1 << 23) } == .badMetadata)
    #expect(try defect { $0.metadata["config"] = "{}" } == .badMetadata)
    #expect(try defect { $0.metadata["config"] = nil } == .missingMetadata)
  }

  @Test func descriptionsThatLieAreRefused() throws {
    #expect(try defect { $0.metadata["cluster_size"] = "5" } == .badMetadata)
    #expect(try defect { $0.metadata["class_names"] = "[\"a\"]" } == .badMetadata)
    #expect(try defect { $0.metadata["class_names"] = "[]" } == nil)
    #expect(try defect { $0.metadata["codebook_sha256"] = nil } == .missingMetadata)
    #expect(try defect { $0.metadata["kind"] = "tokenizer" } == .wrongKind)
  }

  @Test func tokenizersThatLieAreRefused() throws {
    func defect(_ change: (inout Record) throws -> Void) throws -> FormatError.Defect? {
      var record = try tokenizer().record()
      try change(&record)
      do {
        _ = try Tokenizer(record, device: device)
        return nil
      } catch let error as FormatError {
        return error.defect
      }
    }
    func configured(_ change: (inout TokenizerConfiguration) -> Void) throws -> FormatError.Defect? {
      var configuration = tokenizer().configuration
      change(&configuration)
      return try defect { $0.metadata["config"] = try sortedJSON(configuration) }
    }
    #expect(try defect { _ in } == nil)
    #expect(try configured { $0.multipliers = [1, 4] } == .wrongShape)
    #expect(try configured { $0.multipliers = [1, 3] } == .wrongShape)
    #expect(try configured { $0.residualBlocks = 2 } == .missingTensor)
    #expect(try configured { $0.groups = 3 } == .badMetadata)
    #expect(try configured { ($0.codebookSize, $0.codeDimension) = (1 << 20, 1 << 20) } == .badMetadata)
    #expect(try configured { $0.channels = 1 << 15 } == .badMetadata)
    #expect(try defect { $0.metadata["codebook_sha256"] = String(repeating: "0", count: 64) } == .badMetadata)
    #expect(try defect { record in record.tensors.removeAll { $0.name == Tokenizer.codebookName } } != nil)
  }
}
