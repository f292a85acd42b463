import Foundation
import StreamFormat
import Testing
import TestSupport

/// Shards of one run are a whole, and shards of several runs are none.
@Suite struct ShardedRunTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func run(_ tool: String, _ arguments: [String], input: [UInt8] = []) throws {
    let result = try ToolProcess.run(
      tool, arguments + ["--threads", "1", "--quiet"], input: input, in: folder.url)
    #expect(result.status == 0, "\(tool) \(arguments): \(result.errors)")
  }

  /// Makes a shard with each of the lists of options, and has them read one after the other. `OUT` in the arguments is the output.
  private func joined(_ tool: String, _ arguments: [String], _ options: [[String]]) throws
    -> ToolProcess.Result
  {
    var bytes: [UInt8] = []
    for (place, own) in options.enumerated() {
      let shard = ["--shard", "\(place + 1)/\(options.count)"]
      try run(tool, (arguments + own).map { $0 == "OUT" ? "shard" : $0 } + shard)
      bytes += try [UInt8](Data(contentsOf: folder.url.appending(path: "shard")))
      try FileManager.default.removeItem(at: folder.url.appending(path: "shard"))
    }
    return try ToolProcess.run("show-file", ["--quiet", "-"], input: bytes)
  }

  private func expectRefused(_ result: ToolProcess.Result, _ words: String) {
    #expect(result.status == 65 && result.errors.contains(" to have the "), "\(result.errors)")
    #expect(result.errors.contains(words), "\(result.errors)")
    #expect(result.errors.contains("try: make all shards anew by one version of the inputs and options"))
  }

  @Test(arguments: [
    (["--seed", "2"], "settings.seed of the shard before, 0; found 2"),
    (["--guidance", "3"], "sampling.guidance.scale of the shard before, 1; found 3"),
    (["--temperature", "0.5"], "sampling.draw.temperature of the shard before, 1; found 0.5"),
    (["--classes", "1,0"], "settings.labels_sha256 of the shard before, "),
    (["--draw-method", "gumbel"], "sampling.drawMethod of the shard before, none; found gumbel"),
  ]) func samplesOfOtherRuns(options: [String], words: String) throws {
    let classes = options.contains("--classes") ? [] : ["--classes", "0,1"]
    let arguments = ["--model", files.model, "--per-class", "2", "-o", "OUT"]
    let first = ["--classes", "0,1"]
    expectRefused(try joined("sample", arguments, [first, options + classes]), words)
    #expect(try joined("sample", arguments, [first, first + ["--batch-size", "1"]]).status == 0)
    // What has no provenance lies between, and hides nothing.
    if options == ["--seed", "2"] {
      let runs = [first, first + ["--no-provenance"], options + classes]
      expectRefused(try joined("sample", arguments, runs), words)
      #expect(try joined("sample", arguments, [first, first + ["--no-provenance"], first]).status == 0)
    }
  }

  @Test func completionsOfOtherParts() throws {
    try run("sample", ["--model", files.model, "--count", "4", "-o", "given"])
    let arguments = ["--model", files.model, "--keep", "given", "-o", "OUT"]
    #expect(try joined("sample", arguments, [[], []]).status == 0)
    let mixed = try joined("sample", arguments, [[], ["--mask", ":,0:2"]])
    expectRefused(mixed, "settings.mask of the shard before, none; found :,0:2")
  }

  @Test func tokensOfOtherReadings() throws {
    let arguments = [files.images, "--tokenizer", files.tokenizer, "-o", "OUT"]
    let mixed = try joined("tokenize", arguments, [[], ["--allow-upscale"]])
    expectRefused(mixed, "settings.images.allowUpscale of the shard before, false; found true")
    // The seed matters to random views alone.
    #expect(try joined("tokenize", arguments, [[], ["--seed", "7"]]).status == 0)
    let random = arguments + ["--views", "random-crop", "--view-count", "2"]
    #expect(try joined("tokenize", random, [[], ["--seed", "7"]]).status == 65)
  }

  @Test func scoresOfOtherViews() throws {
    try run("relabel-tokens", [files.views, "--mapping", files.mapping, "-o", "views"])
    let arguments = ["views", "--model", files.model, "--map", "OUT"]
    #expect(try joined("score-tokens", arguments, [["--view", "1"], ["--view", "1"]]).status == 0)
    let mixed = try joined("score-tokens", arguments, [["--view", "0"], ["--view", "1"]])
    expectRefused(mixed, "settings.view of the shard before, 0; found 1")
  }

  /// Each shard is perturbed by itself, and the runs without `--shard` must be alike too.
  @Test func shardsPerturbedOneByOne() throws {
    func perturbed(_ seeds: [String]) throws -> ToolProcess.Result {
      var bytes: [UInt8] = []
      for (place, seed) in seeds.enumerated() {
        let shard = "\(place + 1)/\(seeds.count)"
        try run("tokenize", [files.images, "--tokenizer", files.tokenizer, "--shard", shard, "-o", "part"])
        try run(
          "perturb-tokens",
          ["part", "--code-distance", "2", "--tokenizer", files.tokenizer, "--seed", seed, "-o", "far"])
        bytes += try [UInt8](Data(contentsOf: folder.url.appending(path: "far")))
      }
      return try ToolProcess.run("show-file", ["--quiet", "-"], input: bytes)
    }
    #expect(try perturbed(["3", "3"]).status == 0)
    expectRefused(try perturbed(["3", "4"]), "later run 1.settings.seed of the shard before, 3; found 4")
  }

  /// The same file by its name and through a pipe, whose bytes have no hash; and another file.
  @Test func inputsAreComparedByTheirHashes() throws {
    let model = try [UInt8](Data(contentsOf: URL(filePath: files.model)))
    try Data(model).write(to: folder.url.appending(path: "copy"))
    let end = Array("again".utf8)
    try Data(model + [0x50, 0x2A, 0x4D, 0x18, 5, 0, 0, 0] + end).write(
      to: folder.url.appending(path: "longer"))
    let arguments = ["--count", "4", "-o", "OUT"]
    #expect(try joined("sample", arguments, [["--model", files.model], ["--model", "copy"]]).status == 0)
    expectRefused(
      try joined("sample", arguments, [["--model", files.model], ["--model", "longer"]]),
      "inputs 1 of the shard before, ")
    try run("sample", ["--model", files.model, "--count", "4", "--shard", "1/2", "-o", "first"])
    try run("sample", ["--model", "-", "--count", "4", "--shard", "2/2", "-o", "second"], input: model)
    let result = try ToolProcess.shell("cat first second | show-file --quiet -", in: folder.url)
    #expect(result.status == 0, "\(result.errors)")
  }
}
