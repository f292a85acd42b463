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
