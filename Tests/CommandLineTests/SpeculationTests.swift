import StreamFormat
import Testing
import TestSupport

/// `sample --speculate` and `--draw-method`.
@Suite struct SpeculationOptionTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  func sampled(_ name: String, _ options: [String]) throws -> String {
    let target = folder.path(name)
    let common =
      ["--model", files.model, "--count", "5", "--guidance", "2", "-o", target] + SharedFiles.repeatable
    try succeed("sample", common + options)
    return target
  }

  @Test(arguments: ["cumulative", "gumbel"]) func theBytesDoNotDependOnTheWindow(_ method: String) throws {
    let one = try sampled("one.tokens.zst", ["--draw-method", method])
    for window in ["2", "5", "64", "1024"] {
      let other = try sampled("\(window).tokens.zst", ["--draw-method", method, "--speculate", window])
      #expect(try tokenBatch(other).tokens == tokenBatch(one).tokens, "window \(window)")
    }
  }

  @Test func methodsAreRecordedAndDraw() throws {
    let (usual, gumbel) = (
      try sampled("usual.tokens.zst", []), try sampled("gumbel.tokens.zst", ["--draw-method", "gumbel"])
    )
    #expect(try tokenBatch(usual).tokens != tokenBatch(gumbel).tokens)
    let settings = try [usual, gumbel].map { try #require(try record($0).metadata["sampling"]) }
    #expect(!settings[0].contains("drawMethod") && settings[1].contains("\"drawMethod\":\"gumbel\""))
  }

  /// Samples with lossy guesses say so. (This model hardly looks at what is before a token, so that its guesses are right anyway.)
  @Test func alikeCodesAreRecorded() throws {
    let mapping = folder.path("coarse.tensors.zst")
    try succeed("cluster-codebook", [files.rearranged, "--clusters", "4", "--output", mapping])
    let exact = try sampled(
      "exact.tokens.zst", ["--draw-method", "gumbel", "--speculate", "32", "--temperature", "3"])
    #expect(try record(exact).metadata["sampling"]?.contains("alike") == false)
    for (options, words) in [
      (["--alike-blocks", "16"], "blocks of 16, 32 places"),
      (["--alike-ranks", "16"], "ranks of 16, 32 places"),
      (["--alike-clusters", mapping], "clusters, 32 places"),
    ] {
      let other = try sampled(
        "other.tokens.zst",
        ["--draw-method", "gumbel", "--speculate", "32", "--temperature", "3", "--force"] + options)
      #expect(try #require(record(other).metadata["sampling"]).contains("\"alike\":\"\(words)\""))
    }
  }

  @Test func unfitAlikeCodesAreRefused() throws {
    func refusal(_ options: [String]) throws -> ToolProcess.Result {
      try ToolProcess.run("sample", ["--model", files.model, "-o", folder.path("x")] + options)
    }
    expectRefusal(
      try refusal(["--alike-blocks", "8"]), "sample", 64, "say which guesses of --speculate are right")
    let four = ["--speculate", "4"]
    expectRefusal(
      try refusal(four + ["--alike-blocks", "8", "--alike-ranks", "8"]), "sample", 64, "give one of")
    expectRefusal(try refusal(four + ["--alike-ranks", "1"]), "sample", 64, "at least 2")
    expectRefusal(
      try refusal(four + ["--alike-blocks", "7"]), "sample", 65, "expected a number of codes that 7 divides")
    expectRefusal(
      try refusal(four + ["--alike-ranks", "100000"]), "sample", 65, "expected at least 100000 codes")
    expectRefusal(
      try refusal(four + ["--alike-clusters", files.mapping]), "sample", 65,
      "expected a fine-to-coarse mapping")
    let other = folder.path("other.tensors.zst")
    try succeed("cluster-codebook", [files.tokenizer, "--clusters", "4", "--output", other])
    expectRefusal(
      try refusal(four + ["--alike-clusters", other]), "sample", 65, "expected codes of codebook")
    #expect(folder.names == ["other.tensors.zst"])
  }

  @Test func theSummaryCountsTokensPerPass() throws {
    let log = folder.path("log.jsonl")
    _ = try sampled("x.tokens.zst", ["--draw-method", "gumbel", "--speculate", "3", "--log", log])
    let text = String(decoding: try bytes(log), as: UTF8.self)
    #expect(text.contains("\"tokens_per_pass\":"))
  }

  @Test func whatDoesNotGoTogetherIsRefused() throws {
    for window in ["0", "1025", "-1"] {
      expectRefusal(
        try ToolProcess.run("sample", ["--model", files.model, "--speculate=\(window)", "-o", "x"]), "sample",
        64,
        "--speculate must be from 1 to 1024")
    }
    expectRefusal(
      try ToolProcess.run(
        "sample", ["--fine", "f", "--coarse-tokens", "c", "--speculate", "2", "-o", folder.path("x")]),
      "sample", 64,
      "first stage")
  }
}
