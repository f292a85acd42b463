import Foundation
import Testing
import TestSupport

/// `--estimate` says what a run needs, and leaves nothing behind.
@Suite struct EstimateTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  private struct Estimate: Decodable {
    var memory_bytes: Double
    var memory_limit_bytes: Double
    var memory_parts: [String: Double]
    var seconds_per_step: Double?
    var steps: Int?
    var seconds: Double?
    var measured_megabytes: Double?
  }

  init() throws { files = try SharedFiles.get() }

  private func estimate(_ tool: String, _ arguments: [String]) throws -> Estimate {
    let result = try ToolProcess.run(
      tool, arguments + ["--estimate", "--json", "--threads", "2"], in: folder.url)
    #expect(result.status == 0, "\(result.errors)")
    #expect(folder.names == [], "\(tool) left \(folder.names)")
    let estimate = try JSONDecoder().decode(Estimate.self, from: Data(result.output))
    #expect(estimate.memory_limit_bytes > 1e8)
    #expect(abs(estimate.memory_parts.values.reduce(0, +) - estimate.memory_bytes) < 1)
    return estimate
  }

  /// A batch of twice the images needs exactly twice its memory, and the parameters what they needed before.
  @Test func trainings() throws {
    let sizes = [files.relabelled, "-o", "out"] + SharedFiles.modelSizes
    let small = try estimate("train-ar", sizes + ["--batch-size", "8", "--steps", "1000"])
    let large = try estimate(
      "train-ar", sizes + ["--batch-size", "16", "--steps", "1000", "--evaluate-every", "2"])
    let parts = (small.memory_parts["a batch of 8"], large.memory_parts["a batch of 16"])
    #expect(try #require(parts.0) * 2 == parts.1)
    let name = "parameters and optimiser"
    #expect(small.memory_parts[name] == large.memory_parts[name])
    for estimate in [small, large] {
      let seconds = try #require(estimate.seconds_per_step)
      #expect(seconds > 0 && estimate.steps == 1000)
      #expect(estimate.seconds == seconds * 1000)
      #expect(try #require(estimate.measured_megabytes) * 1e6 > estimate.memory_parts[name] ?? .infinity)
    }
    // A run of one step has no other one to measure.
    #expect(try estimate("train-ar", sizes + ["--steps", "1"]).steps == 1)
    let tokenizer = try estimate(
      "train-tokenizer", [files.images, "-o", "out", "--steps", "7"] + SharedFiles.tokenizerSizes)
    #expect(tokenizer.steps == 7)
  }

  @Test func toolsThatRunAModel() throws {
    let sampled = try estimate(
      "sample", ["--model", files.model, "--count", "4", "--guidance", "2", "-o", "out"])
    #expect(sampled.memory_parts.keys.sorted() == ["a batch of 4", "the model"])
    #expect(sampled.seconds_per_step == nil)
    _ = try estimate("tokenize", [files.images, "--tokenizer", files.tokenizer, "-o", "out"])
    _ = try estimate("score-tokens", [files.relabelled, "--model", files.model])
    _ = try estimate("attention-maps", [files.relabelled, "--model", files.model])
    _ = try estimate("linear-probe", [files.relabelled, "--model", files.model])
    for output in [["--grid", "out.png"], ["--folder", "out"]] {
      _ = try estimate("detokenize", [files.samples, "--tokenizer", files.rearranged] + output)
    }
  }

  @Test func inWords() throws {
    let result = try ToolProcess.run(
      "train-ar", [files.relabelled, "-o", "out", "--estimate", "--steps", "100"] + SharedFiles.modelSizes,
      in: folder.url)
    let lines = result.text.split(separator: "\n").map(String.init)
    #expect(lines.map { $0.prefix { $0 != ":" } } == ["memory", "measured", "time"])
    #expect(lines.last?.hasSuffix("in all, without scoring and checkpoints") == true)
  }

  /// An output that is there stays as it is, and so does a log.
  @Test func nothingIsReplaced() throws {
    let kept = Array("{\"step\":1}\n".utf8)
    for name in ["out", "log"] { _ = try write(kept, name, in: folder) }
    let result = try ToolProcess.run(
      "train-ar", [files.relabelled, "-o", "out", "--log", "log", "--estimate"] + SharedFiles.modelSizes,
      in: folder.url)
    #expect(result.status == 0, "\(result.errors)")
    #expect(folder.names.sorted() == ["log", "out"])
    for name in ["out", "log"] { #expect(try bytes(folder.path(name)) == kept) }
  }

  /// A new log is not left behind, and what would be refused after minutes is refused now.
  @Test func outputsAndCheckpointsAreLookedAt() throws {
    let training =
      [files.relabelled, "--estimate", "--steps", "20", "--batch-size", "8"] + SharedFiles.modelSizes
    try succeed("train-ar", training + ["-o", folder.path("out"), "--log", folder.path("log")])
    #expect(folder.names == [])
    for (tool, arguments) in [
      ("train-ar", training + ["-o", "none/out"]),
      ("tokenize", [files.images, "--tokenizer", files.tokenizer, "--estimate", "-o", "none/out"]),
      ("score-tokens", [files.relabelled, "--model", files.model, "--estimate", "--rank", "none/out"]),
      ("detokenize", [files.samples, "--tokenizer", files.rearranged, "--estimate", "--grid", "none/out"]),
      ("linear-probe", [files.relabelled, "--model", files.model, "--estimate", "-o", "none/out"]),
    ] {
      expectRefusal(try ToolProcess.run(tool, arguments, in: folder.url), tool, 73, "none/out")
    }
    _ = try write(Array("no checkpoint".utf8), "out.checkpoint", in: folder)
    let damaged = try ToolProcess.run("train-ar", training + ["-o", "out", "--resume"], in: folder.url)
    expectRefusal(damaged, "train-ar", 65, "out.checkpoint")
  }

  /// After a resume only the steps that are left count.
  @Test func stepsThatAreLeft() throws {
    let training =
      [
        files.relabelled, "-o", folder.path("out"), "--batch-size", "8", "--keep-checkpoint", "--threads",
        "2",
      ]
      + SharedFiles.modelSizes
    let steps = ["--steps", "8", "--checkpoint-every", "4", "--save-at", "4"]
    try succeed("train-ar", training + steps)
    let result = try ToolProcess.run(
      "train-ar", training + steps + ["--resume", "--estimate", "--json"], in: folder.url)
    #expect(result.status == 0, "\(result.errors)")
    let estimate = try JSONDecoder().decode(Estimate.self, from: Data(result.output))
    // The kept checkpoint is that of the last step.
    #expect(estimate.steps == nil && estimate.seconds_per_step == nil)
  }

  /// What does not fit is refused as without it.
  @Test func whatDoesNotFit() throws {
    let line = "ulimit -v 8000000; train-ar '\(files.tokens)' --model GPT-3B -o out --estimate"
    expectRefusal(
      try ToolProcess.shell(line, in: folder.url, timeout: 60), "train-ar", 1,
      "memory: expected a need of at most")
  }

  @Test func noEstimateOfRequestsOrSums() throws {
    expectRefusal(
      try ToolProcess.run("sample", ["--model", files.model, "--serve", "--estimate"], in: folder.url),
      "sample", 64,
      "--serve needs --model")
    expectRefusal(
      try ToolProcess.run("score-tokens", ["sums", "--merge", "--estimate"], in: folder.url), "score-tokens",
      64,
      "--merge adds up scores")
  }
}
