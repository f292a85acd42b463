import Foundation
import StreamFormat
import TensorCore
import Testing
import TestSupport

/// A training run that was stopped, in whatever way, and resumed is the run that was not.
@Suite(.serialized) struct ResumeTests {
  private let files: SharedFiles
  private let coarse: CoarseToFineFiles
  private let folder = try! TemporaryFolder()

  init() throws { (files, coarse) = (try SharedFiles.get(), try CoarseToFineFiles.get()) }

  /// A command line without its outputs.
  /// - Parameter guided: self-guided, or, of a tokenizer, against a discriminator.
  private func training(_ tool: String, guided: Bool = false) -> [String] {
    let common = SharedFiles.repeatable + ["--ema", "0.99", "--schedule", "cosine", "--warmup-steps", "5"]
    if tool != "train-tokenizer" {
      let steps = [
        "--steps", "120", "--batch-size", "16", "--checkpoint-every", "7", "--evaluate-every", "20",
      ]
      if tool == "train-fine" {
        return [files.tokens, "--mapping", coarse.mapping, "--gradient-accumulation", "2"]
          + SharedFiles.modelSizes + steps + common
      }
      let tokens = guided ? [files.views, "--self-guided", "--mask-each-block"] : [files.relabelled]
      return tokens + ["--cluster-size", "4"] + SharedFiles.modelSizes + steps + common
    }
    let steps = ["--steps", "30", "--batch-size", "8", "--checkpoint-every", "4", "--evaluate-every", "10"]
    let codes = ["--autoencoder-steps", "8", "--dead-code-interval", "5"]
    let losses = [
      "--adversarial-start", "10", "--adversarial-weight", "0.3", "--adaptive-weight",
      "--discriminator-channels", "4", "--discriminator-layers", "1",
    ]
    return [files.images] + SharedFiles.tokenizerSizes + steps + codes + common + (guided ? losses : [])
  }

  private func outputs(_ name: String) -> [String] {
    ["-o", folder.path(name), "--log", folder.path(name + ".log")]
  }

  /// Starts a run in the background of a shell, sends it a signal once it has written some more lines to its log (a
  /// moment that does not depend on how fast the machine is), and gives its status.
  private func run(
    _ tool: String, guided: Bool = false, _ name: String, _ more: [String], signal: String,
    afterLines lines: Int
  ) throws -> ToolProcess.Result {
    let command = ([tool] + training(tool, guided: guided) + outputs(name) + more).map { "'\($0)'" }.joined(
      separator: " ")
    let log = folder.path(name + ".log")
    let before = (try? String(contentsOfFile: log, encoding: .utf8))?.split(separator: "\n").count ?? 0
    // Job control, lest the shell start it with SIGINT ignored.
    let line = """
      set -m; \(command) &
      while kill -0 $! && [ $(cat '\(log)' 2>/dev/null | wc -l) -lt \(before + lines) ]; do
        sleep 0.01
      done
      kill -\(signal) $!; wait $!
      """
    return try ToolProcess.shell(line, timeout: 60)
  }

  /// The log without its summary, which holds the time taken.
  private func stepLines(_ name: String) throws -> [Substring] {
    try String(contentsOfFile: folder.path(name + ".log"), encoding: .utf8).split(separator: "\n")
      .filter { !$0.contains("summary") }
  }

  /// What a resumed run must leave: the other's bytes and log, and no checkpoint.
  private func expectSame(_ name: String, as other: String) throws {
    #expect(try bytes(folder.path(name)) == bytes(folder.path(other)))
    #expect(try stepLines(name) == stepLines(other))
    #expect(!FileManager.default.fileExists(atPath: folder.path(name + ".checkpoint")))
  }

  @Test(arguments: [
    ("train-ar", false), ("train-ar", true), ("train-fine", false), ("train-tokenizer", false),
    ("train-tokenizer", true),
  ])
  func killedRunsEndAsIfTheyHadNotBeen(tool: String, guided: Bool) throws {
    let training = training(tool, guided: guided)
    try succeed(tool, training + outputs("whole"))
    var random = CounterRandom(seed: 5, purpose: .test)
    var kills = 0
    for _ in 0..<4 {
      let lines = 1 + random.integer(below: 12)
      let result = try run(tool, guided: guided, "cut", ["--resume"], signal: "KILL", afterLines: lines)
      kills += result.status == 137 ? 1 : 0
      if result.status == 0 || result.errors.contains("No such process") { break }
      #expect(!FileManager.default.fileExists(atPath: folder.path("cut")), "a killed run leaves no product")
    }
    try succeed(tool, training + outputs("cut") + ["--resume"])
    #expect(kills > 0, "the machine was too fast for any kill: make the run longer")
    try expectSame("cut", as: "whole")
  }

  @Test(arguments: [("INT", 130 as Int32), ("TERM", 143), ("HUP", 129)]) func signalsSaveAndStop(
    signal: String, status: Int32
  ) throws {
    let long = ["--steps", "100000", "--checkpoint-every", "0"]
    let result = try run("train-ar", "long", long, signal: signal, afterLines: 5)
    #expect(result.status == status && result.errors.contains("train-ar: "), "\(result.errors)")
    #expect(
      result.errors.contains(["INT": "interrupted", "TERM": "terminated", "HUP": "hung up"][signal] ?? "?"))
    let checkpoint = try record(folder.path("long.checkpoint"))
    #expect(try checkpoint.kind() == .checkpoint)
    #expect(try stepLines("long").count >= checkpoint.integerMetadata("step"))
    #expect(folder.names == ["long.checkpoint", "long.log"], "no temporary file remains")
  }

  @Test func aBrokenPipeElsewhereDoesNotStopARun() throws {
    let result = try run("train-ar", "m", [], signal: "PIPE", afterLines: 5)
    #expect(result.status == 0 && folder.names == ["m", "m.log"], "\(result.errors)")
  }

  @Test func aRunStoppedBySignalsGoesOnExactly() throws {
    try succeed("train-ar", training("train-ar") + outputs("whole"))
    for _ in 0..<20 {
      let result = try run("train-ar", "cut", ["--resume"], signal: "TERM", afterLines: 15)
      if result.status != 143 { break }
    }
    try succeed("train-ar", training("train-ar") + outputs("cut") + ["--resume"])
    try expectSame("cut", as: "whole")
  }

  // MARK: Checkpoints that do not fit

  /// A finished run whose checkpoint was kept.
  private func keepCheckpoint() throws -> String {
    try succeed("train-ar", training("train-ar") + outputs("m") + ["--keep-checkpoint"])
    return folder.path("m.checkpoint")
  }

  @Test func aCheckpointOfOtherSettingsIsRefused() throws {
    let path = try keepCheckpoint()
    let changes: [([String], String)] = [
      (["--learning-rate", "0.01"], "training.schedule"), (["--dropout", "0.2"], "task.dropout"),
      (["--width", "32"], "config.dim"), (["--seed", "3"], "task.seed"), (["--held-out", "0.2"], "held_out"),
    ]
    for (options, name) in changes {
      let log = try bytes(folder.path("m.log"))
      let result = try ToolProcess.run(
        "train-ar", training("train-ar") + outputs("m") + options + ["--resume"])
      expectRefusal(result, "train-ar", 65, path, "expected \(name)", "found", "try:")
      #expect(try bytes(folder.path("m.log")) == log, "a refused run leaves the log")
    }
  }

  @Test func aCheckpointOfOtherDataIsRefused() throws {
    let path = try keepCheckpoint()
    let other = folder.path("other")
    try succeed("sample", ["--model", files.model, "--count", "60", "-o", other])
    let arguments = [other] + training("train-ar").dropFirst() + outputs("m") + ["--resume"]
    expectRefusal(try ToolProcess.run("train-ar", arguments), "train-ar", 65, path, "expected data", "found")
  }

  /// The held-out images must stay those that no step has seen, and the images themselves what they were.
  @Test func aTokenizersCheckpointOfOtherImagesOrSplitIsRefused() throws {
    try FileManager.default.copyItem(atPath: files.images, toPath: folder.path("images"))
    func train(_ images: String, _ more: [String]) throws -> ToolProcess.Result {
      let arguments = [images] + training("train-tokenizer").dropFirst() + outputs("t") + ["--resume"] + more
      return try ToolProcess.run("train-tokenizer", arguments, in: folder.url)
    }
    #expect(try train("images", ["--keep-checkpoint"]).status == 0)
    let changes: [([String], String)] = [
      (["--held-out", "0.2"], "held_out.fraction"), (["--split-seed", "1"], "held_out.seed"),
      (["--background", "000000"], "images.reading.decoding.background"),
      (["--views", "flip"], "images.reading.views"),
      (["--allow-upscale"], "images.reading.allowUpscale"), (["--commitment", "0.5"], "task.commitment"),
    ]
    for (options, name) in changes {
      expectRefusal(
        try train("images", options), "train-tokenizer", 65, "t.checkpoint: expected \(name)", "found", "try:"
      )
    }
    // The same bytes under another path are the same images.
    #expect(try train("./images", ["--keep-checkpoint"]).status == 0)
    let (one, other) = (folder.path("images/a/00.png"), folder.path("images/a/01.png"))
    try Data(bytes(other)).write(to: URL(filePath: one))
    expectRefusal(try train("images", []), "train-tokenizer", 65, "t.checkpoint: expected images.content")
    #expect(FileManager.default.fileExists(atPath: folder.path("t.checkpoint")))
  }

  @Test func settingsAreInTheProvenance() throws {
    let arguments = [files.relabelled, "-o", folder.path("m"), "--steps", "1", "--batch-size", "4"]
    try succeed(
      "train-ar",
      arguments + SharedFiles.modelSizes + ["--held-out", "0.25", "--split-seed", "18446744073709551615"])
    let chain = try #require(try record(folder.path("m")).metadata["provenance"])
    #expect(chain.contains(#""held_out":{"fraction":0.25,"seed":18446744073709551615}"#), "\(chain)")
  }

  @Test func aDamagedCheckpointIsRefused() throws {
    let path = try keepCheckpoint()
    let whole = try bytes(path)
    let cases: [([UInt8], String)] = [
      ([], "empty file"), (Array(whole.prefix(whole.count / 2)), "truncated frame"),
      (whole.dropLast(36), "missing end mark"), (Array("text".utf8), "not a tensor file"),
      (whole + whole, "a second one"),
    ]
    for (damaged, words) in cases {
      try Data(damaged).write(to: URL(filePath: path))
      let result = try ToolProcess.run("train-ar", training("train-ar") + outputs("m") + ["--resume"])
      expectRefusal(result, "train-ar", 65, path, words, "expected", "found", "try:")
      #expect(try bytes(path) == damaged, "what is refused is not removed")
    }
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.copyItem(atPath: files.model, toPath: path)
    let result = try ToolProcess.run("train-ar", training("train-ar") + outputs("m") + ["--resume"])
    expectRefusal(result, "train-ar", 65, path, "expected a file of kind checkpoint", "found ar-model")
  }

  @Test func resumingFromStandardOutputNeedsAName() throws {
    let result = try ToolProcess.run("train-ar", training("train-ar") + ["-o", "-", "--resume"])
    expectRefusal(result, "train-ar", 64, "--checkpoint FILE")
  }

  // MARK: Divergence

  @Test func divergenceKeepsTheLastGoodCheckpoint() throws {
    // A decay of 100 times a step: the weights overflow after some steps that are still finite.
    let options = [
      "--learning-rate", "0.1", "--weight-decay", "1000", "--steps", "40", "--checkpoint-every", "1",
    ]
    let arguments =
      [files.relabelled] + SharedFiles.modelSizes + SharedFiles.repeatable + options + outputs("m")
    let result = try ToolProcess.run("train-ar", arguments)
    expectRefusal(
      result, "train-ar", 1, "expected a finite loss and gradient", "try: a smaller --learning-rate")
    let step = try #require(Int(result.errors.firstMatch(of: /step (\d+): expected/)?.1 ?? ""))
    let kept = try #require(
      Int(result.errors.firstMatch(of: /the checkpoint of step (\d+) is kept/)?.1 ?? ""))
    // The state after step - 1 is the one that diverged.
    #expect(step > 2 && kept == step - 2)
    #expect(folder.names == ["m.checkpoint", "m.log"])
    let checkpoint = try record(folder.path("m.checkpoint"))
    #expect(try checkpoint.integerMetadata("step") == kept)
    for tensor in checkpoint.tensors where tensor.elementType == .float32 {
      #expect(try tensor.floats().allSatisfy(\.isFinite), "\(tensor.name)")
    }
    let again = try ToolProcess.run("train-ar", arguments + ["--resume"])
    expectRefusal(again, "train-ar", 1, "going on after step \(kept)", "step \(step): expected")
  }
}
