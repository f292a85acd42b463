import Foundation
import StreamFormat
import Testing
import TestSupport

/// Files that are whole and lie: about their codebook, about the size of what they hold, in the names that they give.
@Suite struct ForgedFileTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  /// Tokens of the shared tokenizer's codebook that claim, and use, more codes than it has.
  private func tokens() throws -> String {
    var batch = try tokenBatch(files.tokens)
    batch.header.vocabSize = 60_000
    batch.tokens[0] = 59_999
    return try write(file(of: [batch.record()]), "forged.tokens.zst", in: folder)
  }

  private func run(_ tool: String, _ arguments: [String]) throws -> ToolProcess.Result {
    try ToolProcess.run(tool, arguments, in: folder.url, timeout: 60)
  }

  @Test func tokensBeyondTheTokenizersCodesAreRefused() throws {
    let path = try tokens()
    let commands: [(tool: String, arguments: [String])] = [
      ("detokenize", [path, "--tokenizer", files.tokenizer, "--grid", "out"]),
      (
        "eval-metrics",
        [
          "--reference", path, "--samples", path, "--tokenizer", files.tokenizer, "--network", "pixels",
        ]
      ),
      ("relabel-tokens", [path, "--mapping", files.mapping, "-o", "out"]),
    ]
    for (tool, arguments) in commands {
      expectRefusal(try run(tool, arguments), tool, 65, path, "expected 32 codes", "found 60000", "try:")
    }
    #expect(folder.names == ["forged.tokens.zst"])
  }

  @Test func aMappingOfFewerCodesIsRefused() throws {
    let tokens = try tokenBatch(files.relabelled)
    let mapping = try writeMapping([], count: 4, "few", in: folder, source: tokens.header.codebookSHA256)
    let result = try run("score-tokens", [files.relabelled, "--model", files.model, "--mapping", mapping])
    expectRefusal(result, "score-tokens", 65, "expected 0 codes, as \(mapping) has", "found 32", "try:")
  }

  /// An empty tensor in a model, whose other sizes no number can hold the product of.
  @Test(arguments: ["sample", "show-file"]) func emptyTensorsHaveSizesToo(tool: String) throws {
    let header =
      #"{"__metadata__":{"kind":"ar-model","version":"1"},"x":{"dtype":"F32","shape":[0,4611686018427387904,4],"#
      + #""data_offsets":[0,0]}}"#
    let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
    let path = try write(length + Array(header.utf8), "huge", in: folder)
    let result = try run(tool, tool == "sample" ? ["--model", path, "-o", "out"] : [path])
    expectRefusal(result, tool, 65, path, "bad shape", "[0, 4611686018427387904, 4]")
  }

  /// The header of a model of 138 GB, and nothing behind it.
  private func modelWithoutWeights() throws -> String {
    let (codes, width, hidden) = (1 << 22, 4096, 11008)
    let config =
      #"{\"n_layer\":1,\"n_head\":4,\"dim\":4096,\"vocab_size\":4194304,\"grid_rows\":8,\"grid_columns\":8,"#
      + #"\"num_classes\":3,\"rope_base\":10000,\"norm_eps\":1e-5,\"multiple_of\":256}"#
    let shapes = [
      ("cls_embedding.embedding_table", [4, width]), ("tok_embeddings", [codes, width]), ("norm", [width]),
      ("output", [codes, width]), ("layers.0.attention.wqkv", [3 * width, width]),
      ("layers.0.attention.wo", [width, width]), ("layers.0.feed_forward.w1", [hidden, width]),
      ("layers.0.feed_forward.w2", [width, hidden]), ("layers.0.feed_forward.w3", [hidden, width]),
      ("layers.0.attention_norm", [width]), ("layers.0.ffn_norm", [width]),
    ]
    var (entries, end) = ("", 0)
    for (name, shape) in shapes {
      let begin = end
      end += 4 * shape.reduce(1, *)
      entries += #","\#(name).weight":{"dtype":"F32","shape":\#(shape),"data_offsets":[\#(begin),\#(end)]}"#
    }
    let header =
      #"{"__metadata__":{"kind":"ar-model","version":"1","class_names":"[]","codebook_sha256":"0","cluster_size":"0","#
      + #""config":"\#(config)"}\#(entries)}"#
    let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
    return try write(length + Array(header.utf8), "model", in: folder)
  }

  @Test func aModelThatIsNotThereTakesNoMemory() throws {
    let path = try modelWithoutWeights()
    // Four gigabytes of address space.
    let bounded = try ToolProcess.shell("ulimit -v 4000000; sample --model \(path) -o out", in: folder.url)
    expectRefusal(bounded, "sample", 1, path, "memory: expected", "try: --precision int8")
    let free = try run("score-tokens", [files.relabelled, "--model", path])
    expectRefusal(free, "score-tokens", 65, path, "truncated record")
  }

  /// What a file holds cannot move the cursor of the terminal on which a message is read.
  @Test func controlCharactersOfAListAreNotPrinted() throws {
    let list = Array("a\u{1B}[2J\tb\tc\n".utf8)
    let result = try ToolProcess.run("tokenize", ["--tokenizer", files.tokenizer, "-"], input: list)
    expectRefusal(result, "tokenize", 65, "line 1", "[2J")
    #expect(!result.errors.dropLast().unicodeScalars.contains { $0.value < 32 })
  }

  @Test func longPathsOfAListAreShownByTheirEnds() throws {
    let list = Array((String(repeating: "folder/", count: 500) + "end.png\n").utf8)
    let result = try ToolProcess.run("tokenize", ["--tokenizer", files.tokenizer, "-"], input: list)
    expectRefusal(result, "tokenize", 66, "...er/folder/", "end.png: not found")
    #expect(result.errors.count < 500)
  }

  @Test func controlCharactersOfAPathAreNotPrinted() throws {
    let result = try run("show-file", ["a\u{1B}[2J\nb"])
    expectRefusal(result, "show-file", 66, "[2J", "no such file")
    #expect(result.errors.split(separator: "\n").count == 1)
  }
}
