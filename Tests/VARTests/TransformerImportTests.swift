import Autograd
import ForeignFiles
import ImageModels
import LlamaGen
import StreamFormat
import TensorCore
import Testing
import TestSupport
import VAR

/// Transformers as VAR's are published: a bare state dict with tables that the model makes for itself (`var_d16.pth`).
@Suite struct VARTransformerImportTests {
  private let device = Device(threadCount: 1)

  private func record(
    _ name: String = "var_transformer", _ change: (inout [StoredTensor]) -> Void = { _ in },
    tokenizer: Tokenizer? = nil
  ) throws -> Record {
    let golden = try Fixture(name + "_tiny.safetensors").record
    var tensors = golden.tensors.filter { $0.name.hasPrefix("param.") }.map {
      $0.renamed(String($0.name.dropFirst(6)))
    }
    tensors.append(
      StoredTensor(
        name: "attn_bias_for_masking", shape: [1, 1, 2, 2], floats: [0, -.infinity, 0, 0] as [Float]))
    tensors.append(StoredTensor(name: "lvl_1L", shape: [1, 30], floats: [Float](repeating: 0, count: 30)))
    tensors.append(
      StoredTensor(name: "blocks.0.attn.zero_k_bias", shape: [32], floats: [Float](repeating: 0, count: 32)))
    change(&tensors)
    var settings = ImportSettings()
    settings.tokenizer = try tokenizer ?? TokenizerFixture().model(device)
    let file = try ForeignWeights(TorchCheckpoint([("", tensors)]).bytes(), file: "var.pth")
    return try WeightsImport(file, as: .arModel, settings).record(as: .arModel, device: device)
  }

  @Test(arguments: ["var_transformer", "var_transformer_shared_aln"]) func aBareStateDict(name: String) throws
  {
    let (model, description) = try VARTransformer.read(record(name), device: device)
    let golden = try Fixture(name + "_tiny.safetensors")
    let (labels, tokens) = (try golden.integers("labels"), try golden.integers("tokens"))
    let logits = model.logits(Tape(device: device, isRecording: false), labels: labels, tokens: tokens)
    expectClose(logits.value.toArray(), try golden.floats("logits"), relativeToLargest: 1e-4, "logits")
    #expect(description.clusterSize == 0 && description.codebookSHA256 == model.codebookSHA256)
  }

  @Test func whatDoesNotFitIsTold() throws {
    #expect {
      try record(
        tokenizer: Tokenizer(TokenizerConfiguration.namedOfVAR["CPU-VAR-4"]!, device: device, seed: 1))
    } throws: {
      ($0 as? FormatError)?.defect == .badShape && "\($0)".contains("found 30 tokens of 64 codes")
    }
    #expect {
      try record(tokenizer: Tokenizer(TokenizerConfiguration(channels: 32), device: device, seed: 1))
    } throws: {
      $0 is AmbiguousCheckpoint && "\($0)".contains("--tokenizer")
    }
    #expect {
      try record("var_transformer", { $0.removeAll { $0.name == "blocks.1.ffn.fc2.bias" } })
    } throws: {
      "\($0)".contains("blocks.1.ffn.fc2.bias")
    }
  }
}
