import Foundation
import StreamFormat
import Testing
import TestSupport

/// `sample --preset`: its settings, what beats them, and models that they are not for.
@Suite struct PresetTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  /// How the tokens of a file were drawn, as the file says it.
  private func sampling(_ name: String) throws -> NSDictionary {
    let text = try #require(try record(folder.path(name)).metadata["sampling"])
    return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? NSDictionary)
  }

  private func sample(_ name: String, _ arguments: String...) throws -> ToolProcess.Result {
    try succeed(
      "sample", ["--model", files.model, "--count", "3", "-o", name] + arguments + SharedFiles.repeatable,
      in: folder.url)
  }

  @Test func theSettingsAreThoseOfTheOptions() throws {
    let result = try sample("preset", "--preset", "llamagen-c2i-B-384")
    _ = try sample("options", "--guidance", "2.25", "--temperature", "1", "--top-k", "0", "--top-p", "1")
    #expect(try tokenBatch(folder.path("preset")).tokens == tokenBatch(folder.path("options")).tokens)
    #expect(
      result.errors.contains(
        "warning: --preset llamagen-c2i-B-384 is for 12 layers, 12 heads and width 768 on a grid of 24x24; "
          + files.model + " has 1 layers, 2 heads and width 16, 32 codes on a grid of 8x8"),
      "\(result.errors)")
    #expect(result.errors.contains("detokenize --resize 256"))
    let preset = try sampling("preset")
    #expect(preset["preset"] as? String == "llamagen-c2i-B-384")
    #expect((preset["guidance"] as? NSDictionary)?["scale"] as? Double == 2.25)
    #expect(try sampling("options")["preset"] == nil)
  }

  @Test func anOptionBeatsThePreset() throws {
    let result = try sample(
      "changed", "--preset", "iar-B-256", "--guidance", "1.5", "--top-k", "7", "--json", "--log", "log")
    _ = try sample("options", "--guidance", "1.5", "--top-k", "7")
    #expect(try tokenBatch(folder.path("changed")).tokens == tokenBatch(folder.path("options")).tokens)
    let settings = try sampling("changed")
    #expect((settings["guidance"] as? NSDictionary)?["scale"] as? Double == 1.5)
    #expect((settings["draw"] as? NSDictionary)?["topK"] as? Int == 7)
    // Summary and log say the same.
    let summary = try JSONSerialization.jsonObject(with: Data(result.output)) as? NSDictionary
    #expect(summary?["sampling"] as? NSDictionary == settings)
    let line = try #require(
      try String(contentsOfFile: folder.path("log"), encoding: .utf8).split(separator: "\n").last)
    let last = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? NSDictionary
    #expect((last?["summary"] as? NSDictionary)?["sampling"] as? NSDictionary == settings)
  }

  @Test func theProvenanceHasTheSettings() throws {
    try succeed(
      "sample", ["--model", files.model, "--count", "1", "-o", "s", "--preset", "iar-XXL-384"], in: folder.url
    )
    let text = try #require(try record(folder.path("s")).metadata["provenance"])
    let chain = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [NSDictionary]
    #expect(try chain?.last?["settings"] as? NSDictionary == sampling("s"))
    #expect((try sampling("s")["guidance"] as? NSDictionary)?["scale"] as? Double == 1.65)
  }

  @Test func twoStages() throws {
    let stages = try CoarseToFineFiles.get()
    let models = ["--model", stages.coarse, "--fine", stages.fine, "--count", "3"] + SharedFiles.repeatable
    let result = try succeed(
      "sample", models + ["--preset", "ctf", "--fine-top-k", "3", "-o", "preset"], in: folder.url)
    #expect(result.errors.contains("--preset ctf is for 512 coarse labels on a grid of 16x16"))
    try succeed(
      "sample",
      models + [
        "--guidance", "2", "--temperature", "1.1", "--fine-temperature", "1.1", "--fine-top-k", "3", "-o",
        "options",
      ], in: folder.url)
    #expect(try tokenBatch(folder.path("preset")).tokens == tokenBatch(folder.path("options")).tokens)
    let settings = try sampling("preset")
    #expect((settings["fineDraw"] as? NSDictionary)?["temperature"] as? Double == 1.1)
    let one = try ToolProcess.run("sample", ["--model", "m", "--preset", "ctf", "-o", "x"])
    expectRefusal(one, "sample", 64, "--preset ctf is of two stages; give --fine")
    let two = try ToolProcess.run(
      "sample", ["--model", "m", "--fine", "f", "--preset", "iar-B-256", "-o", "x"])
    expectRefusal(two, "sample", 64, "--preset iar-B-256 is of a model of one stage")
  }

  @Test func whatIsNoPresetOrOfAnotherKindIsRefused() throws {
    let unknown = try ToolProcess.run("sample", ["--model", "m", "--preset", "GPT-B", "-o", "x"])
    expectRefusal(unknown, "sample", 64, "GPT-B", "llamagen-c2i-3B-384", "iar-XXL-256", "ctf", "var-d30-256")
    let help = try succeed("sample", ["--help"]).text
    for name in ["llamagen-c2i-B-256", "iar-B-384", "ctf", "var-d16-256"] { #expect(help.contains(name)) }
    let other = try ToolProcess.run(
      "sample", ["--model", files.model, "--preset", "var-d16-256", "-o", folder.path("x")])
    expectRefusal(
      other, "sample", 65, files.model, "16 layers, 16 heads and width 1024 on scales up to 16x16",
      "found 1 layers")
    #expect(folder.names.isEmpty)
  }
}
