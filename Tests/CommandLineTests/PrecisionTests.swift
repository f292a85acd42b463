import StreamFormat
import Testing
import TestSupport

/// `--precision` of the tools that run the autoencoder.
@Suite struct PrecisionTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  @Test func bfloat16GivesNearlyTheSameCodes() throws {
    let name = folder.path("tokens")
    try succeed(
      "tokenize",
      ["--tokenizer", files.tokenizer, files.images, "--precision", "bfloat16", "-o", name]
        + SharedFiles.repeatable)
    let (rounded, exact) = (try tokenBatch(name), try tokenBatch(files.tokens))
    let equal = zip(rounded.tokens, exact.tokens).filter { $0 == $1 }.count
    #expect(rounded.labels == exact.labels)
    #expect(equal * 10 >= exact.tokens.count * 9, "\(equal) of \(exact.tokens.count)")
    try succeed(
      "detokenize",
      [
        "--tokenizer", files.rearranged, files.samples, "--precision", "bfloat16", "--grid",
        folder.path("grid"),
      ])
  }

  @Test func otherFormatsAreRefused() throws {
    let commands = [
      ("tokenize", ["--tokenizer", files.tokenizer, files.images, "-o", folder.path("out")]),
      ("detokenize", ["--tokenizer", files.rearranged, files.samples, "--grid", folder.path("out")]),
    ]
    for (tool, arguments) in commands {
      let result = try ToolProcess.run(tool, arguments + ["--precision", "int8"])
      #expect(result.status == 64 && result.errors.contains("int8"), "\(tool): \(result.errors)")
      #expect(result.errors.contains("float32") && result.errors.contains("bfloat16"), "\(result.errors)")
    }
    #expect(folder.names.isEmpty)
  }
}
