import Foundation
import StreamFormat
import Testing
import TestSupport

/// Perceptual and adversarial losses of `train-tokenizer`.
@Suite struct ImageLossTests {
  private let folder: TemporaryFolder
  private let images: String
  private let network: String

  init() throws {
    let folder = try TemporaryFolder()
    (self.folder, images) = (folder, folder.path("images"))
    try writeImages(to: images, classes: 2, perClass: 6, side: 32)
    network = try write(file(of: [randomSqueezeNet()]), "squeezenet.tensors.zst", in: folder)
  }

  /// 32 x 32 pixels become 8 x 8 tokens.
  private var sizes: [String] {
    [
      "--model", "CPU-4", "--size", "32", "--channels", "8", "--multipliers", "1,1,1", "--groups", "4",
      "--z-channels", "8", "--codes", "32", "--code-dimension", "4",
    ]
  }

  private func arguments(_ name: String, _ more: [String]) -> [String] {
    [images, "-o", folder.path(name), "--log", folder.path(name + ".log"), "--batch-size", "4"] + sizes
      + SharedFiles.repeatable + more
  }

  private func logLines(_ name: String) throws -> [[String: Any]] {
    try String(contentsOfFile: folder.path(name + ".log"), encoding: .utf8).split(separator: "\n").compactMap
    {
      try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
    }.filter { $0["loss"] != nil }
  }

  @Test(arguments: [[], ["--scales", "1,2,8", "--phi-count", "2"]] as [[String]]) func allLossesTogether(
    scales: [String]
  ) throws {
    let losses = [
      "--perceptual-network", network, "--perceptual-weight", "0.5", "--reconstruction-weight", "2",
      "--adversarial-start", "3", "--adversarial-weight", "0.2", "--adaptive-weight",
      "--discriminator-channels", "4", "--discriminator-layers", "2", "--steps", "4",
    ]
    let result = try succeed("train-tokenizer", arguments("t", losses + scales))
    #expect(result.errors.contains("perceptual loss: squeezenet perceptual distance"))
    #expect(!result.errors.lowercased().contains("lpips"), "SqueezeNet's distance is not LPIPS")
    let lines = try logLines("t")
    #expect(lines.count == 4)
    for (index, line) in lines.enumerated() {
      for name in ["reconstruction_loss", "perceptual_loss", "codebook_loss"] {
        #expect((line[name] as? Double)?.isFinite == true, "\(name)")
      }
      for name in [
        "generator_loss", "discriminator_loss", "logits_real", "logits_fake", "adaptive_weight",
      ] {
        #expect((line[name] as? Double != nil) == (index >= 2), "\(name) in step \(index + 1)")
      }
    }
    // The product is an ordinary tokenizer, which knows how it was made.
    try succeed("tokenize", ["--tokenizer", folder.path("t"), images, "-o", folder.path("k")])
    #expect(try record(folder.path("t")).tensors.allSatisfy { !$0.name.contains("main.") })
  }

  @Test func settingsAreInTheProvenance() throws {
    let plain = arguments("t", ["--steps", "2"]).filter { $0 != "--no-provenance" }
    try succeed(
      "train-tokenizer",
      plain + ["--perceptual-network", network, "--adversarial-start", "1", "--discriminator-layers", "2"])
    let chain = try #require(try record(folder.path("t")).metadata["provenance"])
    for words in [
      #""name":"squeezenet perceptual distance""#, #""start":1"#, #""weight":0.5"#, #""loss":"hinge""#,
      #""isAdaptive":false"#, #""layers":2"#,
    ] {
      #expect(chain.contains(words), "\(words) in \(chain)")
    }
  }

  @Test func aPerceptualLossIsResumed() throws {
    let steps = ["--steps", "4", "--checkpoint-every", "3", "--keep-checkpoint"]
    let losses = ["--perceptual-network", network, "--adversarial-start", "2"] + steps
    try succeed("train-tokenizer", arguments("whole", losses))
    try succeed("train-tokenizer", arguments("cut", losses))
    // From the checkpoint of step 3.
    let again = try succeed("train-tokenizer", arguments("cut", losses + ["--resume"]))
    #expect(again.errors.contains("going on after step 3"))
    #expect(try bytes(folder.path("cut")) == bytes(folder.path("whole")))
    // Another weight, or none of the losses, is another run.
    for other in [losses + ["--perceptual-weight", "2"], losses + ["--perceptual-size", "48"], steps] {
      let result = try ToolProcess.run("train-tokenizer", arguments("cut", other + ["--resume"]))
      expectRefusal(result, "train-tokenizer", 65, "expected task.imageLosses", "found", "try:")
    }
  }

  @Test func aPerceptualLossMayStartLater() throws {
    let late = ["--perceptual-network", network, "--perceptual-start", "3", "--steps", "3"]
    try succeed(
      "train-tokenizer", arguments("late", late + ["--checkpoint-every", "2", "--keep-checkpoint"]))
    try succeed("train-tokenizer", arguments("plain", ["--steps", "3"]))
    let (lines, plain) = (try logLines("late"), try logLines("plain"))
    #expect(lines.map { $0["perceptual_loss"] is Double } == [false, false, true])
    // Until then nothing differs but how the gradient reaches the autoencoder.
    for step in 0..<3 {
      let (a, b) = (
        lines[step]["reconstruction_loss"] as? Double, plain[step]["reconstruction_loss"] as? Double
      )
      #expect(abs(try #require(a) - #require(b)) < 1e-5, "step \(step + 1)")
    }
    // From the step before the start.
    try succeed("train-tokenizer", arguments("late", late + ["--checkpoint-every", "2", "--resume"]))
    try succeed("train-tokenizer", arguments("whole", late))
    #expect(try bytes(folder.path("late")) == bytes(folder.path("whole")))
    let never = try ToolProcess.run(
      "train-tokenizer",
      arguments("never", ["--perceptual-network", network, "--perceptual-start", "5", "--steps", "4"]))
    #expect(never.status == 64 && never.errors.contains("--perceptual-start: expected at most 4"))
  }

  /// Also without the perceptual loss itself: a weight of 0 leaves the network to the discriminator.
  @Test(arguments: [["--adaptive-weight"], ["--perceptual-weight", "0"], ["--perceptual-start", "3"]])
  func aDiscriminatorOfFeaturesIsResumed(options: [String]) throws {
    let losses =
      [
        "--perceptual-network", network, "--discriminator", "features", "--discriminator-channels", "4",
        "--adversarial-start", "2", "--steps", "4", "--checkpoint-every", "3", "--keep-checkpoint",
      ] + options
    try succeed("train-tokenizer", arguments("whole", losses))
    try succeed("train-tokenizer", arguments("cut", losses))
    let again = try succeed("train-tokenizer", arguments("cut", losses + ["--resume"]))
    #expect(again.errors.contains("going on after step 3"))
    #expect(try bytes(folder.path("cut")) == bytes(folder.path("whole")))
    for (index, line) in try logLines("whole").enumerated() {
      for name in ["generator_loss", "discriminator_loss", "discriminator_gradient_norm"] {
        #expect((line[name] as? Double != nil) == (index >= 1), "\(name) in step \(index + 1)")
      }
    }
    // Another discriminator is another run.
    let patches = losses.map { $0 == "features" ? "patches" : $0 } + ["--discriminator-layers", "2"]
    let result = try ToolProcess.run("train-tokenizer", arguments("cut", patches + ["--resume"]))
    expectRefusal(result, "train-tokenizer", 65, "expected task.imageLosses", "found", "try:")
  }

  @Test(arguments: [
    (["--perceptual-weight", "1"], "--perceptual-weight needs --perceptual-network"),
    (["--discriminator", "features"], "--discriminator needs --adversarial-start"),
    (["--adversarial-start", "1", "--discriminator", "features"], "needs --perceptual-network"),
    (["--adversarial-start", "1", "--discriminator", "edges"], "--discriminator"),
    (
      [
        "--perceptual-network", "missing", "--adversarial-start", "1", "--discriminator", "features",
        "--discriminator-layers", "2",
      ], "--discriminator-layers goes with --discriminator patches"
    ),
    (
      [
        "--perceptual-network", "missing", "--adversarial-start", "1", "--discriminator", "features",
        "--lecam-weight", "2",
      ], "--lecam-weight goes with --discriminator patches"
    ),
    (
      [
        "--perceptual-network", "missing", "--adversarial-start", "1", "--discriminator", "features",
        "--discriminator-channels", "0",
      ], "1 to 4096"
    ),
    (["--perceptual-size", "64"], "--perceptual-size needs --perceptual-network"),
    (["--perceptual-start", "2"], "--perceptual-start needs --perceptual-network"),
    (
      ["--perceptual-network", "missing", "--perceptual-start", "0"], "--perceptual-start must be at least 1"
    ),
    (["--perceptual-network", "missing", "--perceptual-size", "31"], "from 32 to 1024"),
    (["--adversarial-weight", "1"], "--adversarial-weight needs --adversarial-start"),
    (["--adaptive-weight"], "--adaptive-weight needs --adversarial-start"),
    (["--adversarial-loss", "vanilla"], "--adversarial-loss needs --adversarial-start"),
    (["--discriminator-channels", "8"], "--discriminator-channels needs --adversarial-start"),
    (["--discriminator-learning-rate", "1"], "--discriminator-learning-rate needs --adversarial-start"),
    (["--adversarial-start", "1", "--discriminator-learning-rate", "0"], "above 0"),
    (["--discriminator-layers", "2"], "--discriminator-layers needs --adversarial-start"),
    (["--adversarial-start", "-1"], "--adversarial-start"),
    (["--adversarial-start", "1", "--adversarial-weight", "0"], "above 0"),
    (["--adversarial-start", "1", "--adversarial-weight", "nan"], "above 0"),
    (["--adversarial-start", "1", "--discriminator-layers", "4"], "too small for 4 layers"),
    (["--adversarial-start", "1", "--discriminator-channels", "0"], "1 to 4096"),
    (["--adversarial-start", "1", "--adversarial-loss", "wasserstein"], "--adversarial-loss"),
    (["--reconstruction-weight", "-1"], "--reconstruction-weight"),
    (["--perceptual-network", "-", "--initial", "-"], "'-' is given for two inputs"),
    (["--perceptual-network", "missing", "--size", "16"], "at least 32 pixels"),
    (["--steps", "5", "--adversarial-start", "6"], "expected at most 5"),
  ]) func clashingOptionsAreRefused(options: [String], words: String) throws {
    // The sizes go where a tokenizer is given.
    let own = options.contains("--initial") ? [] : sizes
    let result = try ToolProcess.run(
      "train-tokenizer", [images, "-o", folder.path("t")] + own + SharedFiles.repeatable + options)
    #expect(result.status == 64 && result.errors.contains(words), "\(result.status): \(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder.path("t")))
  }

  @Test func aNetworkThatCannotBeUsedIsRefused() throws {
    var other = randomSqueezeNet()
    other.metadata["config"] = #"{"name":"efficientnet-lite0"}"#
    let wrong = try write(file(of: [other]), "lite0.tensors.zst", in: folder)
    let result = try ToolProcess.run("train-tokenizer", arguments("t", ["--perceptual-network", wrong]))
    expectRefusal(result, "train-tokenizer", 65, wrong, "found efficientnet-lite0", "import-weights")
    let missing = try ToolProcess.run("train-tokenizer", arguments("t", ["--perceptual-network", "none"]))
    expectRefusal(missing, "train-tokenizer", 66, "none")
  }
}
