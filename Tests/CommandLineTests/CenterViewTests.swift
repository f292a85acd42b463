import Foundation
import StreamFormat
import Testing
import TestSupport

/// What looks at one view looks at the centre crop, also where it is not the first view.
@Suite struct CenterViewTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()
  private var crops: String { folder.path("crops") }
  private var model: String { folder.path("model") }

  init() throws {
    files = try SharedFiles.get()
    let common = SharedFiles.repeatable + ["--tokenizer", files.tokenizer, files.images]
    try succeed(
      "tokenize", common + ["--views", "ten-crop", "--ten-crop-ratio", "1.3", "--allow-upscale", "-o", crops])
    let options = ["--steps", "8", "--batch-size", "16", "--held-out", "0.25", "--log", folder.path("log")]
    try succeed(
      "train-ar", [crops, "-o", model] + SharedFiles.modelSizes + SharedFiles.repeatable + options)
  }

  private struct Scores: Decodable { let loss: Double }
  private struct Log: Decodable {
    struct Summary: Decodable { let held_out_loss: Double }
    let summary: Summary?
  }

  private func loss(_ options: [String]) throws -> Double {
    let result = try succeed("score-tokens", ["--model", model, crops, "--held-out", "0.25"] + options)
    return try JSONDecoder().decode(Scores.self, from: Data(result.output)).loss
  }

  @Test func theHeldOutLossIsOfTheCenter() throws {
    #expect(try tokenBatch(crops).header.viewNames[4] == "center")
    let center = try loss([])
    #expect(try center == loss(["--view", "4"]) && center != loss(["--view", "0"]))
    let lines = try String(contentsOfFile: folder.path("log"), encoding: .utf8).split(separator: "\n")
    let log = try JSONDecoder().decode(Log.self, from: Data(lines[lines.count - 1].utf8))
    #expect(abs(try #require(log.summary).held_out_loss - center) < 1e-5)
  }

  /// The same output without `--view` as with the centre's number, and another with the first view's.
  private func expectCenter(
    _ tool: String, _ arguments: [String], location: SourceLocation = #_sourceLocation
  ) throws {
    func output(_ options: [String]) throws -> [UInt8] {
      [UInt8](try succeed(tool, arguments + SharedFiles.repeatable + options, location: location).output)
    }
    let plain = try output([])
    #expect(try plain == output(["--view", "4"]), sourceLocation: location)
    #expect(try plain != output(["--view", "0"]), sourceLocation: location)
  }

  @Test func otherToolsLookAtTheCenterToo() throws {
    let probe = ["--model", model, crops, "--held-out", "0.25", "--positions", "2", "--epochs", "2"]
    try expectCenter("linear-probe", probe)
    let table = try succeed("linear-probe", probe).text
    #expect(table.contains(#""view":4"#) && !table.contains(#""view":0"#))
    try expectCenter(
      "attention-maps",
      [crops, "--model", model, "--tokenizer", files.tokenizer, "--limit", "3", "--output", "-"])
    try expectCenter("detokenize", [crops, "--tokenizer", files.tokenizer, "--limit", "3", "--npz", "-"])
  }

  @Test func viewsAreCompared() throws {
    let header = TokenHeader(
      vocabSize: 9, rows: 1, columns: 4, codebookSHA256: "00", classCount: 1,
      viewNames: ["left", "center", "right"])
    // Two images; of eight tokens the left views have three of the centre's, the right ones six.
    let tokens: [UInt32] = [1, 2, 3, 0, 1, 2, 5, 6, 1, 2, 5, 6] + [8, 8, 8, 7, 1, 3, 4, 7, 1, 3, 8, 8]
    let batches = [tokens.prefix(12), tokens.suffix(12)].map {
      TokenBatch(header: header, tokens: Array($0), labels: [0])
    }
    let path = try write(try file(of: batches.map { $0.record() }), "views", in: folder)
    let result = try succeed("show-file", ["--compare-views", path])
    #expect(
      result.text == """
        share of tokens that equal those of center, of 2 images
        0.375  left
        0.75  right
        0.25  another image

        """)
    let json = try succeed("show-file", ["--compare-views", "--json", path]).text
    #expect(
      json.contains(#""another_image":0.25"#) && json.contains(#"{"equal_tokens":0.75,"view":"right"}"#))
    let one = try ToolProcess.run("show-file", ["--compare-views", files.tokens])
    expectRefusal(one, "show-file", 65, "expected images with at least two views", "try: tokenize --views")
    let both = try ToolProcess.run("show-file", ["--compare-views", "--provenance", path])
    expectRefusal(both, "show-file", 64, "exclude each other")
    let model = try ToolProcess.run("show-file", ["--compare-views", files.model])
    expectRefusal(model, "show-file", 65, "expected a file of kind tokens")
  }
}
