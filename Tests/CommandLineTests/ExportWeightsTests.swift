import Foundation
import StreamFormat
import Testing
import TestSupport

/// What export-weights writes is what LlamaGen's classes load: names, shapes and arguments.
@Suite struct ExportWeightsTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func export(_ arguments: String...) throws -> ToolProcess.Result {
    try ToolProcess.run("export-weights", arguments, in: folder.url)
  }

  private func importWeights(_ arguments: String...) throws {
    let result = try ToolProcess.run("import-weights", arguments, in: folder.url)
    #expect(result.status == 0, "\(result.errors)")
  }

  private func record(_ path: String) throws -> Record {
    try #require(try RecordReader(FileSource(path: path)).next())
  }

  /// Names, types, shapes and bytes of all tensors.
  private func tensors(_ record: Record) -> [String: StoredTensor] {
    Dictionary(uniqueKeysWithValues: record.tensors.map { ($0.name, $0) })
  }

  private func expectEqual(_ a: Record, _ b: Record) {
    let (left, right) = (tensors(a), tensors(b))
    #expect(left.keys.sorted() == right.keys.sorted())
    for (name, tensor) in left {
      #expect(tensor.shape == right[name]?.shape && tensor.bytes == right[name]?.bytes, "\(name)")
    }
  }

  @Test func aModelGoesThereAndBack() throws {
    let result = try export(files.model, "--output", "m.safetensors", "--config", "config.json", "--json")
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    #expect(result.text.contains("\"loads_in_llamagen\":true"))
    let original = try record(files.model)
    let exported = try record(folder.path("m.safetensors"))
    expectEqual(exported, original)
    #expect(exported.metadata["format"] == "pt")
    // The first eight bytes are the length of a JSON header, as in every safetensors file.
    #expect(try bytes(folder.path("m.safetensors"))[8] == UInt8(ascii: "{"))
    #expect(
      try String(contentsOfFile: folder.path("config.json"), encoding: .utf8)
        == "{\"block_size\":64,\"cls_token_num\":1,\"dim\":16,\"model_type\":\"c2i\",\"multiple_of\":16,"
        + "\"n_head\":2,\"n_layer\":1,\"norm_eps\":1e-05,\"num_classes\":3,\"rope_base\":10000,\"vocab_size\":32}\n"
    )
    try importWeights(
      "--as", "ar-model", "m.safetensors", "--tokenizer", files.rearranged, "--heads", "2", "--grid", "8x8",
      "--classes", "3", "--output", "again")
    let again = try record(folder.path("again"))
    expectEqual(again, original)
    for key in ["codebook_sha256", "class_names", "cluster_size", "config"] {
      #expect(again.metadata[key] == original.metadata[key], "\(key)")
    }
    // The file says its sizes itself, and which commands have made it.
    try importWeights(
      "--as", "ar-model", "m.safetensors", "--tokenizer", files.rearranged, "--output", "bare")
    let bare = try record(folder.path("bare"))
    #expect(bare.metadata["config"] == original.metadata["config"])
    #expect(try #require(bare.metadata["provenance"]).contains("export-weights"))
    expectEqual(bare, original)
  }

  /// What a file says of its clusters is taken over only where the codes have such clusters.
  @Test func aClusterSizeThatIsNoneIsLeftOut() throws {
    _ = try export(files.model, "--output", "m.safetensors")
    let own = try #require(try record(files.model).metadata["cluster_size"])
    let data = try Data(contentsOf: folder.url.appending(path: "m.safetensors"))
    let text = Data("\"cluster_size\":\"\(own)\"".utf8)
    let place = try #require(data.firstRange(of: text))
    var changed = data
    changed[place.upperBound - 2] = UInt8(ascii: "7")
    try changed.write(to: folder.url.appending(path: "7.safetensors"))
    try importWeights(
      "--as", "ar-model", "7.safetensors", "--tokenizer", files.rearranged, "--heads", "2", "--grid", "8x8",
      "--classes", "3", "--output", "again")
    #expect(try record(folder.path("again")).metadata["cluster_size"] == "0")
  }

  /// A file of the suite says to which codebook it belongs, and so does one that was exported.
  @Test func aModelOfAnotherCodebookIsRefused() throws {
    _ = try export(files.model, "--output", "m.safetensors")
    for file in ["m.safetensors", files.model] {
      let result = try ToolProcess.run(
        "import-weights",
        [
          "--as", "ar-model", file, "--tokenizer", files.tokenizer, "--heads", "2", "--grid", "8x8",
          "--classes", "3",
          "--output", "other",
        ], in: folder.url)
      #expect(
        result.status == 65 && result.errors.contains("expected a model of codebook"), "\(result.errors)")
    }
    #expect(!folder.names.contains("other"))
  }

  @Test func aTokenizerGoesThereAndBack() throws {
    let result = try export(files.tokenizer, "--output", "t.safetensors", "--config", "-")
    #expect(result.status == 0)
    #expect(
      result.text.contains("\"codebook_l2_norm\":true") && result.text.contains("\"encoder_ch_mult\":["))
    #expect(result.errors.contains("ch is 8, and LlamaGen's is always 128"), "\(result.errors)")
    var exported = try record(folder.path("t.safetensors"))
    let usage = try exported.tensor("quantize.codebook_used", shape: [65_536])
    #expect(try usage.floats().allSatisfy { $0 == 0 })
    exported.tensors.removeAll { $0.name == usage.name }
    let original = try record(files.tokenizer)
    expectEqual(exported, original)
    try importWeights("--as", "tokenizer", "t.safetensors", "--output", "again")
    let again = try record(folder.path("again"))
    expectEqual(again, original)
    #expect(again.metadata["codebook_sha256"] == original.metadata["codebook_sha256"])
    #expect(again.metadata["config"] == original.metadata["config"])
  }

  @Test func whatLlamaGenDoesNotKnowIsRefused() throws {
    for (arguments, status, words) in [
      ([files.tokens, "--output", "x"], 65, "expected a file of kind ar-model or tokenizer"),
      ([files.mapping, "--output", "x"], 65, "zstd -d"),
      (["missing", "--output", "x"], 66, "missing: "),
      ([files.model, "--output", files.model], 64, "expected"),
      ([files.model, "--output", "x", "--config", "x"], 64, "expected"),
      ([files.model, "--output", "-", "--config", "-"], 64, "one standard output"),
      ([files.model], 64, "--output"),
    ] as [([String], Int32, String)] {
      let result = try ToolProcess.run("export-weights", arguments, in: folder.url)
      #expect(result.status == status && result.errors.contains(words), "\(result.errors)")
      #expect(folder.names.isEmpty)
    }
  }
}
