import Foundation
import StreamFormat
import Testing
import TestSupport

/// FSQ and LFQ in every tool that reads a tokenizer or its tokens, and the options of their training.
@Suite struct QuantizerTests {
  private let folder: TemporaryFolder
  private let images: String

  init() throws { (folder, images) = (try TemporaryFolder(), try SharedFiles.get().images) }

  /// 16 x 16 pixels become 8 x 8 tokens.
  private static let sizes = [
    "--model", "CPU-4", "--size", "16", "--channels", "8", "--multipliers", "1,2", "--groups", "4",
    "--z-channels", "8",
  ]

  private func train(_ name: String, _ options: [String]) throws {
    try succeed(
      "train-tokenizer",
      [images, "-o", folder.path(name), "--steps", "8", "--batch-size", "16"] + Self.sizes + options
        + SharedFiles.repeatable)
  }

  @Test(arguments: [["--quantizer", "fsq", "--levels", "4,3,3"], ["--quantizer", "lfq", "--codes", "64"]])
  func allToolsReadThem(quantizer: [String]) throws {
    try train("t", quantizer)
    try train("again", quantizer)
    #expect(try bytes(folder.path("t")) == bytes(folder.path("again")))
    let codes = quantizer.contains("fsq") ? 36 : 64
    let config = try #require(try record(folder.path("t")).metadata["config"])
    #expect(config.contains(#""codebook_size":\#(codes),"#) && config.contains(quantizer[1]))
    try succeed(
      "tokenize", ["--tokenizer", folder.path("t"), images, "-o", folder.path("k")] + SharedFiles.repeatable)
    #expect(try tokenBatch(folder.path("k")).header.vocabSize == codes)

    try succeed(
      "rearrange-codebook",
      [folder.path("t"), "--cluster-size", "4", "-o", folder.path("r"), "--mapping", folder.path("m")])
    try succeed("relabel-tokens", ["--mapping", folder.path("m"), folder.path("k"), "-o", folder.path("rk")])
    try succeed("tokenize", ["--tokenizer", folder.path("r"), images, "-o", folder.path("rt")])
    #expect(try tokenBatch(folder.path("rt")).tokens == tokenBatch(folder.path("rk")).tokens)
    for (tokens, tokenizer) in [("k", "t"), ("rk", "r")] {
      try succeed(
        "detokenize",
        [
          folder.path(tokens), "--tokenizer", folder.path(tokenizer), "--npz", folder.path(tokens + ".npz"),
        ])
    }
    #expect(try bytes(folder.path("k.npz")) == bytes(folder.path("rk.npz")))

    try succeed("cluster-codebook", [folder.path("t"), "--clusters", "8", "-o", folder.path("c")])
    try succeed("relabel-tokens", ["--mapping", folder.path("c"), folder.path("k"), "-o", folder.path("l")])
    try succeed(
      "perturb-tokens",
      ["--code-distance", "1", "--tokenizer", folder.path("t"), folder.path("k"), "-o", folder.path("p")])
    try succeed(
      "perturb-tokens", ["--same-cluster", folder.path("c"), folder.path("k"), "-o", folder.path("q")])
    try succeed(
      "train-ar",
      [folder.path("rk"), "--cluster-size", "4", "--steps", "2", "-o", folder.path("a")]
        + SharedFiles.modelSizes)
    try succeed(
      "eval-metrics",
      [
        "--network", "tokenizer", "--tokenizer", folder.path("t"), "--reference", images, "--size", "16",
        "--samples", folder.path("p"),
      ])
    let result = try ToolProcess.run("export-weights", [folder.path("t"), "-o", folder.path("e")])
    #expect(result.status == 65 && result.errors.contains("another quantiser"), "\(result.errors)")
  }

  @Test func trainingGoesOnFromThem() throws {
    try train("t", ["--quantizer", "fsq", "--levels", "4,3,3"])
    let more = [images, "--initial", folder.path("t"), "-o", folder.path("u"), "--steps", "3"]
    try succeed("train-tokenizer", more + ["--freeze", "encoder"] + SharedFiles.repeatable)
    func codebook(_ name: String) throws -> String? {
      try record(folder.path(name)).metadata["codebook_sha256"]
    }
    #expect(try codebook("u") == codebook("t"))
    for options in [["--dead-code-interval", "5"], ["--commitment", "1"], ["--entropy-weight", "1"]] {
      let result = try ToolProcess.run("train-tokenizer", more + options)
      #expect(
        result.status == 64 && result.errors.contains("\(options[0]) does not go with the quantizer fsq"),
        "\(result.errors)")
    }
  }

  @Test func entropyAndLeCAMAreTrainedWith() throws {
    let losses = [
      "--entropy-weight", "0.1", "--entropy-temperature", "0.5", "--codes", "32", "--code-dimension", "4",
      "--adversarial-start", "2", "--discriminator-channels", "4", "--discriminator-layers", "1",
      "--lecam-weight", "0.05", "--log", folder.path("log"),
    ]
    try train("t", losses)
    let log = try String(contentsOfFile: folder.path("log"), encoding: .utf8)
    for name in ["sample_entropy", "code_entropy", "lecam_loss"] { #expect(log.contains("\"\(name)\":")) }
  }

  @Test(arguments: [
    (["--quantizer", "fsq"], "needs --levels"), (["--levels", "4,4"], "needs --quantizer fsq"),
    (["--quantizer", "lfq", "--levels", "4,4"], "needs --quantizer fsq"),
    (["--quantizer", "rvq"], "--quantizer"),
    (["--quantizer", "fsq", "--levels", "4,1"], "--levels must be numbers from 2 on"),
    (["--quantizer", "fsq", "--levels", "a"], "--levels must be numbers from 2 on"),
    (["--quantizer", "fsq", "--levels", "1024,1025"], "--levels must be numbers from 2 on"),
    (["--quantizer", "fsq", "--levels", "4,4", "--codes", "16"], "--codes does not go with"),
    (
      ["--quantizer", "fsq", "--levels", "4,4", "--code-dimension", "2"], "--code-dimension does not go with"
    ),
    (["--quantizer", "fsq", "--levels", "4,4", "--normalize-codes"], "--normalize-codes does not go with"),
    (["--quantizer", "fsq", "--levels", "4,4", "--scales", "1,2,8"], "--scales does not go with"),
    (
      ["--quantizer", "fsq", "--levels", "4,4", "--autoencoder-steps", "2"], "--autoencoder-steps does not go"
    ),
    (["--quantizer", "fsq", "--levels", "4,4", "--dead-code-end", "1"], "--dead-code-end does not go"),
    (["--quantizer", "fsq", "--levels", "4,4", "--commitment", "1"], "--commitment does not go"),
    (["--quantizer", "fsq", "--levels", "4,4", "--entropy-weight", "1"], "--entropy-weight does not go"),
    (["--quantizer", "lfq", "--codes", "100"], "power of two"),
    (["--quantizer", "lfq", "--codebook-weight", "1"], "--codebook-weight does not go"),
    (["--quantizer", "lfq", "--dead-code-threshold", "1"], "--dead-code-threshold does not go"),
    (["--entropy-weight", "-1"], "--entropy-weight"), (["--entropy-weight", "nan"], "--entropy-weight"),
    (["--entropy-temperature", "1"], "needs --entropy-weight"),
    (["--entropy-weight", "1", "--entropy-temperature", "0"], "above 0"),
    (
      ["--scales", "1,2,8", "--entropy-weight", "1"],
      "--entropy-weight does not go with a tokenizer of several"
    ),
    (["--lecam-weight", "1"], "--lecam-weight needs --adversarial-start"),
    (["--adversarial-start", "1", "--lecam-weight", "0"], "--lecam-weight must be above 0"),
  ]) func optionsThatDoNotGoTogether(options: [String], words: String) throws {
    let result = try ToolProcess.run(
      "train-tokenizer", [images, "-o", folder.path("t")] + Self.sizes + options)
    #expect(result.status == 64 && result.errors.contains(words), "\(result.status): \(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder.path("t")))
  }

  @Test func scalesCannotHaveAGrid() throws {
    let result = try ToolProcess.run(
      "train-tokenizer", [images, "-o", folder.path("t"), "--model", "CPU-VAR-4", "--quantizer", "lfq"])
    #expect(result.status == 64 && result.errors.contains("fixed grid"), "\(result.errors)")
  }
}
