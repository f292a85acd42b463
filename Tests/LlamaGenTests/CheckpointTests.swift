import ForeignFiles
import Foundation
import ImageModels
import StreamFormat
import TensorCore
import Testing
import TestSupport

@testable import LlamaGen

/// Checkpoints of small models, in the forms that training scripts leave.
@Suite struct CheckpointTests {
  private let device = Device(threadCount: 1)
  private let configuration = TransformerConfiguration(
    layers: 2, heads: 2, width: 16, vocabularySize: 8, gridRows: 3, gridColumns: 3, classCount: 4)

  private typealias Argument = (name: String, value: TorchCheckpoint.Argument)
  private let arguments: [(name: String, value: TorchCheckpoint.Argument)] = [
    ("n_head", .integer(2)), ("num_classes", .integer(4)), ("image_size", .integer(48)),
    ("downsample_size", .integer(16)),
  ]

  private func tensors(prefix: String = "") throws -> [StoredTensor] {
    let model = Transformer(configuration, device: device, seed: 3)
    let description = ModelDescription(codebookSHA256: "c", classNames: [], clusterSize: 0)
    return try model.record(description: description).tensors.map { $0.renamed(prefix + $0.name) }
  }

  private func weights(
    _ parts: [(name: String, tensors: [StoredTensor])],
    _ arguments: [(name: String, value: TorchCheckpoint.Argument)]? = nil
  ) throws -> ForeignWeights {
    try ForeignWeights(
      TorchCheckpoint(parts, arguments: arguments ?? self.arguments).bytes(), file: "c.pt")
  }

  private func record(
    _ weights: ForeignWeights, as target: ImportTarget = .arModel,
    _ set: (inout ImportSettings) -> Void = { _ in }
  ) throws -> Record {
    var settings = ImportSettings()
    set(&settings)
    return try WeightsImport(weights, as: target, settings).record(as: target, device: device)
  }

  private func sizes(_ record: Record) throws -> TransformerConfiguration {
    try record.jsonMetadata("config", as: TransformerConfiguration.self)
  }

  // MARK: What args say

  @Test func argumentsGiveWhatShapesDoNot() throws {
    let more: [Argument] = [("rope_base", .integer(5000)), ("norm_eps", .number(1e-6))]
    let imported = try record(weights([("model", tensors())], arguments + more))
    var expected = configuration
    (expected.ropeBase, expected.normEpsilon) = (5000, 1e-6)
    expected.feedForwardMultiple = try sizes(imported).feedForwardMultiple
    #expect(try sizes(imported) == expected)
    let whole = try Dictionary(uniqueKeysWithValues: tensors().map { ($0.name, $0.bytes) })
    #expect(
      imported.tensors.allSatisfy { whole[$0.name] == $0.bytes } && imported.tensors.count == whole.count)
    _ = try Transformer.read(imported, device: device)
    // A model's name and the size of its images, as LlamaGen's script has them.
    let large: [Argument] = [
      ("gpt_model", .text("CPU-small")), ("num_classes", .integer(4)), ("block_size", .integer(9)),
    ]
    #expect(try sizes(record(weights([("model", tensors())], large))).heads == 4)
  }

  @Test func whatMoreThanOneModelFitsIsAsked() throws {
    let options = ["--heads": "n_head", "--classes": "num_classes", "--grid": "image_size"]
    for (option, left) in options {
      let weights = try weights([("model", tensors())], arguments.filter { $0.name != left })
      #expect {
        try record(weights)
      } throws: {
        $0 is AmbiguousCheckpoint && "\($0)".contains(option) && "\($0)".hasPrefix("c.pt: expected")
      }
    }
    let bare = try record(weights([("model", tensors())], [])) {
      ($0.heads, $0.classes, $0.grid) = (4, 4, (1, 9))
    }
    let sizes = try sizes(bare)
    #expect(sizes.heads == 4 && sizes.gridRows == 1 && sizes.gridColumns == 9 && sizes.classCount == 4)
  }

  @Test func aModelWithoutNoClassKeepsItsClasses() throws {
    let model = try weights([("model", tensors())])
    let imported = try record(model) { $0.classes = 5 }
    #expect(try sizes(imported).classCount == 5)
    let table = try imported.tensor("cls_embedding.embedding_table.weight", shape: [6, 16]).floats()
    let own = try #require(try model.tensor("model.cls_embedding.embedding_table.weight")).floats()
    #expect(table == own + [Float](repeating: 0, count: 16))
    #expect(throws: FormatError.self) { try record(model) { $0.classes = 3 } }
  }

  @Test func widerFeedForwardLayersAreTold() throws {
    let names = ["w1": [48, 16], "w3": [48, 16], "w2": [16, 48]]
    let wide = try tensors().map { tensor in
      let key = tensor.name.split(separator: ".").dropLast().last.map(String.init) ?? ""
      guard let shape = names[key] else { return tensor }
      return StoredTensor(name: tensor.name, shape: shape, floats: [Float](repeating: 1, count: 768))
    }
    let sizes = try sizes(record(weights([("model", wide)])))
    #expect(sizes.feedForwardWidth == 48)
  }

  // MARK: Names

  @Test func wrappersAreTakenOffHoweverManyThereAre() throws {
    for prefix in ["_orig_mod.module.", "module.module.", "module._orig_mod.", "_orig_mod."] {
      for part in ["model", ""] {
        let imported = try record(weights([(part, tensors(prefix: prefix))]))
        #expect(
          try imported.tensors.map(\.name).sorted() == tensors().map(\.name).sorted(), "\(part) \(prefix)")
      }
    }
  }

  @Test func aParameterUnderTwoNamesIsRefused() throws {
    let one = try tensors()[0].renamed("module." + tensors()[0].name)
    for (part, both) in [("model", try tensors() + [one]), ("", try tensors() + [one])] {
      #expect {
        try record(weights([(part, both)]))
      } throws: {
        ($0 as? ForeignFileError)?.defect == .malformed && "\($0)".contains("one parameter's names")
      }
    }
  }

  @Test func buffersAreLeftOut() throws {
    let buffers = ["freqs_cis", "causal_mask", "layers.0.attention.kv_cache.k_cache"].map {
      StoredTensor(name: $0, shape: [2], floats: [1, .infinity])
    }
    #expect(try record(weights([("model", tensors() + buffers)])).tensors.count == tensors().count)
    let other = StoredTensor(name: "another", shape: [2], floats: [1, 2])
    #expect(throws: FormatError.self) { try record(weights([("model", tensors() + [other])])) }
  }

  @Test func nonFiniteWeightsAreRefusedUnlessAskedFor() throws {
    let weights = try weights([
      (
        "model",
        tensors().map {
          $0.name == "norm.weight"
            ? StoredTensor(name: $0.name, shape: [16], floats: [Float](repeating: 1, count: 15) + [.nan]) : $0
        }
      )
    ])
    #expect {
      try record(weights)
    } throws: {
      "\($0)".contains("tensor 'norm.weight'") && "\($0)".contains("element 15 of 16")
    }
    let taken = try record(weights) { $0.allowsNonFinite = true }
    #expect(try taken.tensor("norm.weight").floats()[15].isNaN)
  }

  // MARK: Parts

  @Test func theModelIsTakenAndOtherCodebooksAreTold() throws {
    let fixture = try Fixture("vq_tiny.safetensors").record
    let parameters = fixture.tensors.filter { $0.name.hasPrefix("param.") }.map {
      $0.renamed(String($0.name.dropFirst(6)))
    }
    let old = try parameters.map { tensor in
      tensor.name == Tokenizer.codebookName
        ? StoredTensor(name: tensor.name, shape: tensor.shape, floats: try tensor.floats().reversed())
        : tensor
    }
    let both = try weights([("ema", old), ("model", parameters)])
    let source = try WeightsImport(both, as: .tokenizer)
    let warnings = try source.warnings(as: .tokenizer)
    #expect(source.part == "model" && warnings.count == 1 && warnings[0].contains("'ema'"))
    let imported = try record(both, as: .tokenizer) { $0.imageSize = 32 }
    #expect(
      try imported.tensor(Tokenizer.codebookName).bytes
        == #require(parameters.first { $0.name == Tokenizer.codebookName }).bytes)
    let options: [Argument] = [("image_size", .integer(64)), ("codebook_l2_norm", .opcodes([0x89]))]
    let told = try record(weights([("model", parameters)], options), as: .tokenizer)
      .jsonMetadata("config", as: TokenizerConfiguration.self)
    #expect(told.imageSize == 64 && !told.normalizesCodes)
    let equal = try weights([("ema", parameters), ("model", parameters)])
    #expect(try WeightsImport(equal, as: .tokenizer).warnings(as: .tokenizer).isEmpty)
  }
}
