import Foundation
import StreamFormat
import Testing
import TestSupport

/// `--save-every`, `--save-at`, `--epochs`, and what logs count.
@Suite struct SavedModelsTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func train(_ options: String...) throws -> ToolProcess.Result {
    try ToolProcess.run(
      "train-ar",
      [files.relabelled] + SharedFiles.modelSizes + SharedFiles.repeatable + ["--batch-size", "16"] + options,
      in: folder.url, timeout: 60)
  }

  private struct Line: Decodable {
    struct Summary: Decodable { let images_seen, views_seen, steps: Int, epochs: Double }
    let step, images_seen, views_seen: Int?
    let summary: Summary?
  }

  private func log(_ name: String) throws -> [Line] {
    try String(contentsOfFile: folder.path(name), encoding: .utf8).split(separator: "\n").map {
      try JSONDecoder().decode(Line.self, from: Data($0.utf8))
    }
  }

  @Test func modelsOnTheWayAreModels() throws {
    let saved = ["--save-every", "5", "--save-at", "3,12"]
    let result = try ToolProcess.run(
      "train-ar",
      [files.relabelled, "--steps", "12", "--batch-size", "16", "-o", "m.tensors.zst"]
        + SharedFiles.modelSizes
        + SharedFiles.repeatable + saved, in: folder.url, timeout: 60)
    #expect(result.status == 0, "\(result.errors)")
    let steps = [3, 5, 10, 12]
    #expect(folder.names == (steps.map { "m.step-\($0).tensors.zst" } + ["m.tensors.zst"]).sorted())
    for step in steps {
      let model = try record(folder.path("m.step-\(step).tensors.zst"))
      #expect(model.metadata["step"] == "\(step)")
      // At a constant learning rate it is the model of a run of so many steps.
      try #require(try train("--steps", "\(step)", "-o", "short").status == 0)
      #expect(try record(folder.path("short")).tensors.map(\.bytes) == model.tensors.map(\.bytes))
    }
    try succeed("score-tokens", ["--model", folder.path("m.step-3.tensors.zst"), files.relabelled])
  }

  @Test func aKilledRunSavesTheSameBytes() throws {
    let options = ["--steps", "90", "--checkpoint-every", "7", "--save-every", "10", "--resume"]
    let arguments =
      [files.relabelled, "--batch-size", "16"] + SharedFiles.modelSizes + SharedFiles.repeatable + options
    try succeed("train-ar", arguments + ["-o", folder.path("whole")])
    let line = (["train-ar"] + arguments + ["-o", folder.path("cut")]).map { "'\($0)'" }.joined(
      separator: " ")
    let killed = try ToolProcess.shell(
      "set -m; \(line) & until [ -e '\(folder.path("cut.step-20"))' ]; do sleep 0.01; done; kill -KILL $!; wait $!",
      timeout: 60)
    try #require(killed.status == 137, "the machine was too fast: make the run longer")
    try succeed("train-ar", arguments + ["-o", folder.path("cut")])
    for name in [""] + (1...9).map({ ".step-\($0)0" }) {
      #expect(try bytes(folder.path("cut" + name)) == bytes(folder.path("whole" + name)), "\(name)")
    }
  }

  @Test func epochsAreCounted() throws {
    // 60 images, of which 15 are held out: 90 images are 6 steps of 16 at least.
    let options = ["--epochs", "2", "--held-out", "0.25", "--log", "log", "-o", "m"]
    let arguments =
      [files.relabelled, "--batch-size", "16"] + SharedFiles.modelSizes + SharedFiles.repeatable
    try succeed("train-ar", arguments + options, in: folder.url)
    let lines = try log("log")
    let steps = lines.filter { $0.step != nil }
    #expect(Set(steps.compactMap(\.step)) == Set(1...6))
    #expect(steps.allSatisfy { $0.images_seen == 16 * ($0.step ?? 0) && $0.views_seen == $0.images_seen })
    let summary = try #require(lines.last?.summary)
    #expect(summary.images_seen == 96 && summary.steps == 6 && abs(summary.epochs - 96.0 / 45) < 1e-12)
    try succeed("train-ar", arguments + ["--steps", "6", "--held-out", "0.25", "-o", "n"], in: folder.url)
    #expect(try bytes(folder.path("m")) == bytes(folder.path("n")))
  }

  @Test func selfGuidanceSeesTwoViews() throws {
    try succeed(
      "train-ar",
      [files.views, "--self-guided", "--steps", "2", "--batch-size", "4", "--log", "log", "-o", "m"]
        + SharedFiles.modelSizes + SharedFiles.repeatable, in: folder.url)
    let summary = try #require(try log("log").last?.summary)
    #expect(summary.images_seen == 8 && summary.views_seen == 16)
  }

  @Test func tokenizersAreSavedToo() throws {
    try succeed(
      "train-tokenizer",
      [files.images, "--epochs", "0.5", "--batch-size", "8", "--save-every", "2", "-o", "t.tensors.zst"]
        + SharedFiles.tokenizerSizes + SharedFiles.repeatable, in: folder.url)
    // 57 images are trained on: 3.6 steps.
    #expect(folder.names == ["t.step-2.tensors.zst", "t.step-4.tensors.zst", "t.tensors.zst"])
    try succeed(
      "tokenize",
      [files.images, "--tokenizer", folder.path("t.step-2.tensors.zst"), "-o", folder.path("tokens")])
  }

  @Test func mistakesAreNamed() throws {
    let mistakes: [([String], String)] = [
      (["--steps", "4", "--save-at", "5"], "--save-at: expected steps up to 4"),
      (["--steps", "4", "--save-every", "5"], "--save-every: expected at most 4"),
      (["--steps", "2000", "--save-every", "1"], "expected at most 1000 models; found 2000"),
      (["--steps", "4", "--epochs", "1"], "give one of --steps and --epochs"),
      (["--epochs", "0"], "--epochs must be above 0"), (["--epochs", "nan"], "--epochs must be above 0"),
      (["--save-every=-1"], "--save-every must not be negative"), (["--save-at", "0"], "save-at"),
      (["--save-at", "4,"], "save-at"),
    ]
    for (options, words) in mistakes {
      let arguments = [files.relabelled, "-o", "m"] + SharedFiles.modelSizes + options
      let result = try ToolProcess.run("train-ar", arguments, in: folder.url)
      expectRefusal(result, "train-ar", 64, words)
    }
    let pipe = try ToolProcess.run(
      "train-ar", [files.relabelled, "-o", "-", "--steps", "4", "--save-every", "2"] + SharedFiles.modelSizes)
    expectRefusal(pipe, "train-ar", 64, "expected an output with a name")
    // A saved model would take the place of the tokens.
    try FileManager.default.copyItem(atPath: files.relabelled, toPath: folder.path("m.step-2.tensors.zst"))
    let clash = try ToolProcess.run(
      "train-ar",
      ["m.step-2.tensors.zst", "-o", "m.tensors.zst", "--steps", "4", "--save-every", "2"]
        + SharedFiles.modelSizes, in: folder.url)
    expectRefusal(clash, "train-ar", 64, "expected different files")
    #expect(folder.names == ["m.step-2.tensors.zst"])
  }

  /// Nobody may be there to read from a pipe, and the training would wait for ever.
  @Test func aPipeInTheirPlaceIsRefused() throws {
    let folder = try TemporaryFolder()
    #expect(mkfifo(folder.path("m.step-2.tensors.zst"), 0o600) == 0)
    let result = try ToolProcess.run(
      "train-ar",
      [files.relabelled, "-o", "m.tensors.zst", "--steps", "4", "--save-at", "2"] + SharedFiles.modelSizes,
      in: folder.url)
    expectRefusal(result, "train-ar", 73, "expected a file or a new name for --save-at", "a pipe")
    #expect(folder.names == ["m.step-2.tensors.zst"])
  }
}
