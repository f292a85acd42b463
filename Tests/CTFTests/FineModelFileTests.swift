@testable import CTF
@testable import ImageModels
import NeuralNet
import StreamFormat
import TensorCore
import Testing
import TestSupport

/// Fine-model files: what is written is read back, and what does not fit together is refused.
@Suite struct FineModelFileTests {
  let device = Device(threadCount: 1)
  let mapping = [0, 1, 1, 3, 0]
  let description = FineModelDescription(
    codebookSHA256: String(repeating: "ab", count: 32),
    coarseCodebookSHA256: String(repeating: "cd", count: 32), classNames: ["a", "b", "c"])

  func model(isMasked: Bool = true) -> FineModel {
    var sizes = TransformerConfiguration(
      layers: 1, heads: 2, width: 16, vocabularySize: 5, gridRows: 2, gridColumns: 3, classCount: 3)
    sizes.inputVocabularySize = 4
    return FineModel(
      Transformer(sizes, device: device, seed: 5), fineToCoarse: mapping, isMasked: isMasked)
  }

  @Test(arguments: [true, false]) func roundTrip(isMasked: Bool) throws {
    let model = model(isMasked: isMasked)
    let record = try model.record(description: description, metadata: ["provenance": "[]"])
    #expect(record.metadata["kind"] == "fine-model" && record.metadata["provenance"] == "[]")
    let (read, readDescription) = try FineModel.read(record, device: device)
    #expect(read.configuration == model.configuration && readDescription == description)
    #expect(read.fineToCoarse == mapping && read.isMasked == isMasked)
    let values = { (store: ParameterStore) in store.parameters.map { $0.variable.value.toArray() } }
    #expect(values(read.store) == values(model.store))
    #expect(model.store.parameters.first { $0.name == "tok_embeddings.weight" }?.variable.shape == [4, 16])
    #expect(model.store.scalarCount == model.configuration.scalarCount)
  }

  func defect(_ change: (inout Record) throws -> Void) throws -> FormatError.Defect? {
    var record = try model().record(description: description)
    try change(&record)
    do {
      _ = try FineModel.read(record, device: device)
      return nil
    } catch let error as FormatError {
      return error.defect
    }
  }

  @Test func filesThatLieAreRefused() throws {
    func mapped(_ values: [UInt32]) throws -> FormatError.Defect? {
      try defect { record in
        record.tensors.removeAll { $0.name == "fine_to_coarse" }
        record.tensors.append(StoredTensor(name: "fine_to_coarse", shape: [values.count], uint32s: values))
      }
    }
    #expect(try defect { _ in } == nil)
    #expect(try mapped([0, 1, 1, 4, 0]) == .valueOutOfRange)
    #expect(try mapped([0, 1, 1, 3]) == .wrongShape)
    #expect(try defect { $0.tensors.removeAll { $0.name == "fine_to_coarse" } } == .missingTensor)
    #expect(try defect { $0.tensors.removeAll { $0.name == "output.weight" } } == .missingTensor)
    #expect(
      try defect { $0.tensors.append(StoredTensor(name: "more", shape: [1], floats: [1])) }
        == .unexpectedTensor)
    #expect(try defect { $0.metadata["kind"] = "ar-model" } == .wrongKind)
    #expect(try defect { $0.metadata["coarse_codebook_sha256"] = nil } == .missingMetadata)
    #expect(try defect { $0.metadata["cluster_mask"] = "2" } == .valueOutOfRange)
    #expect(try defect { $0.metadata["class_names"] = "[\"a\"]" } == .badMetadata)
    var sizes = model().configuration
    sizes.inputVocabularySize = 7
    #expect(try defect { $0.metadata["config"] = try sortedJSON(sizes) } == .wrongShape)
    sizes.inputVocabularySize = 0
    #expect(try defect { $0.metadata["config"] = try sortedJSON(sizes) } == .badMetadata)
  }

  /// An autoregressive model reads what it predicts: it would otherwise look beyond its table.
  @Test func autoregressiveModelsHaveOneVocabulary() throws {
    var record = try model().transformer.record(
      description: ModelDescription(codebookSHA256: "00", classNames: [], clusterSize: 0))
    #expect(throws: FormatError.self) { try Transformer.read(record, device: device) }
    var sizes = model().configuration
    sizes.inputVocabularySize = nil
    #expect(try !sortedJSON(sizes).contains("input"))
    record = try Transformer(sizes, device: device, seed: 1).record(
      description: ModelDescription(codebookSHA256: "00", classNames: [], clusterSize: 0))
    #expect(try Transformer.read(record, device: device).0.configuration == sizes)
  }
}
