import Foundation
import StreamFormat
import Testing
import TestSupport

/// NaN and infinity: refused in weights, and a failure in results.
@Suite struct NotFiniteTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  /// A copy of a file in which one tensor's numbers are changed.
  private func edited(_ source: String, _ tensor: String, _ edit: (inout [Float]) -> Void) throws -> String {
    var record = try record(source)
    let index = try #require(record.tensors.firstIndex { $0.name == tensor })
    var values = try record.tensors[index].floats()
    edit(&values)
    record.tensors[index] = StoredTensor(name: tensor, shape: record.tensors[index].shape, floats: values)
    return try write(file(of: [record]), "edited", in: folder)
  }

  private func commands(tokenizer: String) -> [(String, [String])] {
    [
      ("tokenize", ["--tokenizer", tokenizer, files.images, "-o", "out"]),
      ("detokenize", ["--tokenizer", tokenizer, files.tokens, "--grid", "out"]),
    ]
  }

  private func commands(model: String) -> [(String, [String])] {
    [
      ("score-tokens", ["--model", model, files.relabelled, "--logits", "out"]),
      ("attention-maps", ["--model", model, files.relabelled, "--json"]),
      ("linear-probe", ["--model", model, files.relabelled, "-o", "out"]),
    ]
  }

  private func expectRefusals(_ commands: [(String, [String])], _ status: Int32, _ words: String) throws {
    for (tool, arguments) in commands {
      let result = try ToolProcess.run(tool, arguments, in: folder.url, timeout: 30)
      expectRefusal(result, tool, status, words, "expected", "found", "try:")
    }
    #expect(!FileManager.default.fileExists(atPath: folder.path("out")))
  }

  @Test(arguments: [Float.nan, .infinity]) func weightsAreRefusedByName(value: Float) throws {
    let tokenizer = try edited(files.tokenizer, "decoder.conv_in.weight") { $0[5] = value }
    try expectRefusals(commands(tokenizer: tokenizer), 65, "tensor 'decoder.conv_in.weight'")
    let model = try edited(files.model, "norm.weight") { $0[1] = value }
    let sample = ("sample", ["--model", model, "--count", "1", "-o", "out"])
    try expectRefusals(commands(model: model) + [sample], 65, "tensor 'norm.weight'")
  }

  @Test func resultsThatOverflowAreFailures() throws {
    let encoder = try edited(files.tokenizer, "quant_conv.weight") { $0 = $0.map { _ in 3e38 } }
    try expectRefusals([commands(tokenizer: encoder)[0]], 1, "the latents that the encoder gives")
    let decoder = try edited(files.tokenizer, "decoder.conv_out.weight") { $0 = $0.map { _ in 3e38 } }
    try expectRefusals([commands(tokenizer: decoder)[1]], 1, "the images that the decoder gives")
    let model = try edited(files.model, "layers.0.attention.wqkv.weight") { $0 = $0.map { _ in 3e38 } }
    try expectRefusals(Array(commands(model: model).prefix(2)), 1, "finite numbers")
  }

  @Test(arguments: ["-1", "2"]) func epsilonsHaveARange(value: String) throws {
    for (source, key, isTokenizer) in [
      (files.tokenizer, "group_norm_eps", true), (files.model, "norm_eps", false),
    ] {
      var record = try record(source)
      let pattern = try Regex(#""\#(key)":[^,}]*"#)
      record.metadata["config"] = try record.metadata("config").replacing(pattern) { _ in
        "\"\(key)\":\(value)"
      }
      let path = try write(file(of: [record]), "edited", in: folder)
      try expectRefusals(isTokenizer ? commands(tokenizer: path) : commands(model: path), 65, key)
    }
  }
}
