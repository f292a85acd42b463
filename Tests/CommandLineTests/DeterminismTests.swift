import Foundation
import StreamFormat
import Testing
import TestSupport

/// Same seed, settings and threads: the same bytes.
@Suite struct DeterminismTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  /// Runs a tool twice with the very same arguments, and compares the outputs with each other.
  private func expectRepeatable(_ tool: String, _ arguments: [String], outputs: [String]) throws {
    for extra in [[], SharedFiles.repeatable] {
      var runs: [[[UInt8]]] = []
      for _ in 0..<2 {
        for output in outputs { try? FileManager.default.removeItem(atPath: folder.path(output)) }
        try succeed(tool, arguments + extra, in: folder.url)
        runs.append(try outputs.map { try bytes(folder.path($0)) })
      }
      #expect(runs[0] == runs[1], "\(tool) \(extra)")
    }
  }

  @Test func trainTokenizer() throws {
    let options = [
      "--steps", "6", "--batch-size", "8", "--autoencoder-steps", "3", "--dead-code-interval", "2",
    ]
    try expectRepeatable(
      "train-tokenizer", [files.images, "-o", "out", "--ema", "0.9"] + SharedFiles.tokenizerSizes + options,
      outputs: ["out"])
  }

  @Test func trainAR() throws {
    let options = ["--steps", "6", "--batch-size", "8", "--ema", "0.9", "--cluster-size", "4"]
    try expectRepeatable(
      "train-ar", [files.relabelled, "-o", "out"] + SharedFiles.modelSizes + options, outputs: ["out"])
  }

  @Test func coarseToFine() throws {
    let coarse = try CoarseToFineFiles.get()
    let options = ["--steps", "6", "--batch-size", "8", "--ema", "0.9", "--gradient-accumulation", "2"]
    try expectRepeatable(
      "train-fine",
      [files.tokens, "--mapping", coarse.mapping, "-o", "out"] + SharedFiles.modelSizes + options,
      outputs: ["out"])
    let guided = ["--guidance", "2", "--fine-guidance", "2", "--fine-top-p", "0.9"]
    try expectRepeatable(
      "sample",
      ["--model", coarse.coarse, "--fine", coarse.fine, "-o", "out", "--coarse-output", "between"] + guided,
      outputs: ["out", "between"])
  }

  @Test func theOtherTools() throws {
    try expectRepeatable(
      "tokenize", ["--tokenizer", files.tokenizer, files.images, "--views", "flip", "-o", "out"],
      outputs: ["out"])
    try expectRepeatable(
      "rearrange-codebook", [files.tokenizer, "--cluster-size", "8", "-o", "out", "--mapping", "map"],
      outputs: ["out", "map"])
    try expectRepeatable(
      "relabel-tokens", ["--mapping", files.mapping, files.tokens, "-o", "out"], outputs: ["out"])
    try expectRepeatable(
      "sample", ["--model", files.model, "--count", "5", "--guidance", "2", "--top-k", "20", "-o", "out"],
      outputs: ["out"])
    try expectRepeatable(
      "detokenize", ["--tokenizer", files.rearranged, files.samples, "--grid", "grid", "--npz", "npz"],
      outputs: ["grid", "npz"])
    try expectRepeatable(
      "score-tokens", ["--model", files.model, files.relabelled, "--logits", "out"], outputs: ["out"])
    let scores = ["--model", files.model, files.relabelled]
    #expect(try succeed("score-tokens", scores).output == succeed("score-tokens", scores).output)
  }

  /// The tokens of a run of `sample`.
  private func sample(_ options: String...) throws -> TokenBatch {
    let name = folder.path(UUID().uuidString)
    let plan = ["--count", "7", "--guidance", "1.5", "--guidance-schedule", "linear", "--top-p", "0.9"]
    try succeed("sample", ["--model", files.model, "-o", name] + plan + options)
    return try tokenBatch(name)
  }

  @Test func samplesDependOnTheirIndexAndNotOnTheBatch() throws {
    let whole = try sample("--batch-size", "64")
    #expect(whole.labels == [0, 1, 2, 0, 1, 2, 0])
    #expect(try sample("--batch-size", "1") == whole)
    #expect(try sample("--batch-size", "3") == whole)
  }

  @Test func samplesDoNotDependOnThreads() throws {
    #expect(try sample("--threads", "1") == sample("--threads", "2"))
  }

  @Test func anotherSeedDrawsOtherSamples() throws {
    let samples = try sample()
    #expect(try sample("--seed", "1").tokens != samples.tokens)
    #expect(try sample("--seed", "0") == samples, "0 is the default")
    #expect(
      Set((0..<7).map { Array(samples.tokens(image: $0)) }).count > 1, "images have streams of their own")
  }

  @Test func theLargestSeedIsASeed() throws {
    let options = ["--count", "1", "--seed", "18446744073709551615", "--json", "-o", folder.path("x")]
    #expect(try succeed("sample", ["--model", files.model] + options).text.contains("18446744073709551615"))
  }

  @Test func anotherSeedTrainsAnotherModel() throws {
    let options = SharedFiles.modelSizes + SharedFiles.repeatable + ["--steps", "12", "--batch-size", "16"]
    try succeed(
      "train-ar",
      [files.relabelled, "-o", folder.path("other"), "--cluster-size", "4", "--seed", "1"] + options)
    #expect(try bytes(folder.path("other")) != bytes(files.model))
  }
}
