import Foundation
import StreamFormat
import Testing
import TestSupport

/// Tokenizers of several scales (VAR) in every tool that reads a tokenizer or its tokens.
@Suite struct ScalesTests {
  /// A tokenizer of scales 1, 2 and 4, and what was made with it; nothing in it may be changed by a test.
  private struct Files: Sendable {
    private static let made = Result { try Files() }
    static func get() throws -> Files { try made.get() }

    let folder: TemporaryFolder
    var tokenizer: String { folder.path("tokenizer") }
    var tokens: String { folder.path("tokens") }
    let images: String

    private init() throws {
      (folder, images) = (try TemporaryFolder(), try SharedFiles.get().images)
      try succeed(
        "train-tokenizer",
        [
          images, "-o", tokenizer, "--model", "CPU-VAR-4", "--size", "16", "--multipliers", "1,2,2",
          "--channels", "8",
          "--groups", "4", "--codes", "32", "--scales", "1,2,4", "--phi-count", "2", "--steps", "8",
          "--autoencoder-steps", "3", "--batch-size", "16",
        ] + SharedFiles.repeatable)
      try succeed(
        "tokenize",
        ["--tokenizer", tokenizer, images, "-o", tokens, "--views", "flip"] + SharedFiles.repeatable)
    }
  }

  private let files: Files
  private let shared: SharedFiles
  private let folder: TemporaryFolder

  init() throws {
    (files, shared, folder) = (try Files.get(), try SharedFiles.get(), try TemporaryFolder())
  }

  @Test func tokensOfAllScales() throws {
    let batch = try tokenBatch(files.tokens)
    #expect(
      batch.header.layout == .scales([1, 2, 4]) && batch.header.rows == 4 && batch.header.tokensPerView == 21)
    #expect(batch.count == 60 && Set(batch.tokens).count > 4)
    let shown = String(decoding: try succeed("show-file", [files.tokens]).output, as: UTF8.self)
    #expect(shown.contains("layout: scales") && shown.contains("scales: [1,2,4]"))
    try succeed("show-file", [files.tokens, "--compare-views"])
    // A batch of another size gives the same bytes.
    try succeed(
      "tokenize",
      [
        "--tokenizer", files.tokenizer, files.images, "-o", folder.path("t"), "--views", "flip",
        "--batch-size", "7",
      ]
        + SharedFiles.repeatable)
    #expect(try bytes(folder.path("t")) == bytes(files.tokens))
  }

  /// Codes of several scales go to NumPy and back, in the order of the tokenizer.
  @Test func codesComeBackFromNumPy() throws {
    try succeed(
      "export-tokens", [files.tokens, "--codes", folder.path("c.npy"), "--labels", folder.path("l.npy")])
    let codes = [folder.path("c.npy"), "--labels", folder.path("l.npy")]
    try succeed("import-tokens", codes + ["--tokenizer", files.tokenizer, "-o", folder.path("back")])
    let (back, batch) = try (tokenBatch(folder.path("back")), tokenBatch(files.tokens))
    #expect(back.tokens == batch.tokens && back.labels == batch.labels)
    #expect(back.header.layout == batch.header.layout && back.header.viewNames == batch.header.viewNames)
    expectRefusal(
      try ToolProcess.run("import-tokens", codes + ["--tokenizer", files.tokenizer, "--grid", "3x7"]),
      "import-tokens", 64, "expected no grid, since the tokenizer's codes are of scales")
    expectRefusal(
      try ToolProcess.run("import-tokens", codes + ["--tokenizer", shared.tokenizer]), "import-tokens", 65,
      "expected square grids of tokens; found 42 tokens in 2 views")
    try succeed("export-tokens", [shared.tokens, "--folder", folder.path("f")])
    expectRefusal(
      try ToolProcess.run(
        "import-tokens",
        [
          folder.path("f/codes"), "--labels", folder.path("f/labels"), "--classes", "3", "--tokenizer",
          files.tokenizer,
        ]),
      "import-tokens", 65, "expected 21 tokens in each view, scales 1,2,4; found 64 tokens")
    // A list of three images' codes is no image of three views.
    let line = "{\"class_id\": 0, \"tokens\": \([Int](repeating: 0, count: 63))}\n"
    expectRefusal(
      try ToolProcess.run(
        "import-tokens", ["-", "--classes", "1", "--tokenizer", files.tokenizer], input: Array(line.utf8)),
      "import-tokens", 65,
      "expected 21 tokens in each of 1, 2 or 10 views, scales 1,2,4; found 63 tokens in 3")
  }

  @Test func aRearrangedTokenizerDecodesToTheSameImages() throws {
    try succeed(
      "rearrange-codebook",
      [files.tokenizer, "--cluster-size", "4", "-o", folder.path("r"), "--mapping", folder.path("m")])
    try succeed("relabel-tokens", ["--mapping", folder.path("m"), files.tokens, "-o", folder.path("rt")])
    #expect(try tokenBatch(folder.path("rt")).header.layout == .scales([1, 2, 4]))
    try succeed(
      "tokenize",
      ["--tokenizer", folder.path("r"), files.images, "-o", folder.path("again"), "--views", "flip"])
    #expect(try tokenBatch(folder.path("again")).tokens == tokenBatch(folder.path("rt")).tokens)
    for (tokens, tokenizer, name) in [
      (files.tokens, files.tokenizer, "a"), (folder.path("rt"), folder.path("r"), "b"),
    ] {
      try succeed(
        "detokenize",
        [
          tokens, "--tokenizer", tokenizer, "--npz", folder.path(name), "--grid", folder.path(name + ".png"),
          "--originals", files.images,
        ])
    }
    #expect(try bytes(folder.path("a")) == bytes(folder.path("b")))
    try succeed(
      "relabel-tokens",
      ["--mapping", folder.path("m"), folder.path("rt"), "--inverse", "-o", folder.path("i")])
    #expect(try tokenBatch(folder.path("i")) == tokenBatch(files.tokens))
  }

  @Test func clustersAndReplacedTokens() throws {
    try succeed("cluster-codebook", [files.tokenizer, "--clusters", "8", "-o", folder.path("c")])
    try succeed("perturb-tokens", ["--same-cluster", folder.path("c"), files.tokens, "-o", folder.path("p")])
    try succeed(
      "perturb-tokens",
      ["--code-distance", "1", "--tokenizer", files.tokenizer, files.tokens, "-o", folder.path("d")])
    let (before, after) = (try tokenBatch(files.tokens), try tokenBatch(folder.path("d")))
    #expect(after.header == before.header && zip(before.tokens, after.tokens).allSatisfy { $0 != $1 })
    try succeed(
      "eval-metrics",
      [
        "--network", "tokenizer", "--tokenizer", files.tokenizer, "--reference", files.images, "--size", "16",
        "--samples", folder.path("d"),
      ])
    try succeed("relabel-tokens", ["--mapping", folder.path("c"), files.tokens, "-o", folder.path("l")])
    #expect(try tokenBatch(folder.path("l")).header.vocabSize == 8)
  }

  @Test func whatNeedsOneGridRefuses() throws {
    try succeed("cluster-codebook", [files.tokenizer, "--clusters", "8", "-o", folder.path("c")])
    let out = ["-o", folder.path("out")]
    for (tool, arguments) in [
      ("train-fine", ["--mapping", folder.path("c"), files.tokens, "--steps", "1"] + out),
      ("linear-probe", ["--model", shared.model, files.tokens] + out),
    ] {
      let result = try ToolProcess.run(tool, arguments)
      #expect(result.status == 65, "\(tool): \(result.errors)")
    }
    #expect(!FileManager.default.fileExists(atPath: folder.path("out")))
  }

  @Test func otherScalesAreRefused() throws {
    var record = try record(files.tokens)
    record.metadata["scales"] = "[1,2,3,4]"
    record.tensors[record.tensors.firstIndex { $0.name == "tokens" }!] = StoredTensor(
      name: "tokens", shape: [60, 2, 30], uint16s: [UInt16](repeating: 1, count: 3600))
    let path = try write(file(of: [record]), "other", in: folder)
    let result = try ToolProcess.run(
      "detokenize", [path, "--tokenizer", files.tokenizer, "--grid", folder.path("g")])
    #expect(result.status == 65)
    #expect(result.errors.contains("expected scales 1,2,4") && result.errors.contains("found scales 1,2,3,4"))
    let size = try ToolProcess.run(
      "tokenize", ["--tokenizer", files.tokenizer, files.images, "--size", "8", "-o", folder.path("s")])
    #expect(size.status == 65 && size.errors.contains("expected 16"), "\(size.errors)")
  }

  @Test func optionsThatDoNotFit() throws {
    for options in [
      ["--scales", "1,2,5"], ["--scales", "a"], ["--scales", "1,2,4", "--normalize-codes"],
      ["--phi-count", "2"],
      ["--scales", "1,2,4", "--residual-ratio", "2"], ["--cosine"],
    ] {
      let result = try ToolProcess.run(
        "train-tokenizer", [files.images, "-o", folder.path("t")] + SharedFiles.tokenizerSizes + options)
      #expect(result.status == 64, "\(options): \(result.errors)")
    }
  }
}
