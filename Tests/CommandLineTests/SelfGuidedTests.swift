import Foundation
import StreamFormat
import Testing
import TestSupport

/// `train-ar --self-guided`, and the random crops that it may be given.
@Suite struct SelfGuidedTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func train(_ name: String, _ options: [String]) throws -> [String: Any] {
    let run = ["--steps", "4", "--batch-size", "6", "--log", folder.path(name + ".log")]
    try succeed(
      "train-ar",
      [files.views, "-o", folder.path(name)] + SharedFiles.modelSizes + SharedFiles.repeatable + run + options
    )
    let lines = try String(contentsOfFile: folder.path(name + ".log"), encoding: .utf8).split(separator: "\n")
    return try #require(try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: Any])
  }

  @Test func theModelIsAnOrdinaryOne() throws {
    let first = try train("guided", ["--self-guided", "--cluster-size", "4", "--ema", "0.9"])
    #expect(
      Set(first.keys) == [
        "loss", "token_loss", "cluster_loss", "masked_loss", "step_loss", "view_loss", "gradient_norm",
        "learning_rate", "step", "images_seen", "views_seen",
      ])
    _ = try train("plain", ["--cluster-size", "4"])
    let (guided, plain) = (try record(folder.path("guided")), try record(folder.path("plain")))
    #expect(try guided.kind() == .arModel && guided.metadata == plain.metadata)
    #expect(guided.tensors.map(\.name) == plain.tensors.map(\.name))
    let samples = folder.path("samples")
    try succeed("sample", ["--model", folder.path("guided"), "--count", "3", "-o", samples])
    #expect(try tokenBatch(samples).count == 3)
    try succeed("score-tokens", ["--model", folder.path("guided"), files.views])
  }

  @Test func theSameSeedGivesTheSameBytes() throws {
    let options = ["--self-guided", "--mask-ratio", "0.5", "--contrast-positions", "8"]
    for name in ["one", "two"] { _ = try train(name, options) }
    _ = try train("other", options + ["--seed", "1"])
    #expect(try bytes(folder.path("one")) == bytes(folder.path("two")))
    #expect(try bytes(folder.path("one")) != bytes(folder.path("other")))
  }

  @Test(arguments: [
    ("none", [String]()), ("masked", ["masked_loss"]), ("view,step", ["step_loss", "view_loss"]),
  ]) func lossesAreTurnedOnByName(names: String, logged: [String]) throws {
    let first = try train("m", ["--self-guided", "--self-guided-losses", names])
    let all: Set<String> = ["masked_loss", "step_loss", "view_loss"]
    #expect(all.intersection(first.keys) == Set(logged))
  }

  /// Each option reaches the training: with another value, other bytes.
  @Test(arguments: [
    ["--mask-ratio", "0.5"], ["--masked-weight", "9"], ["--contrast-weight", "9"],
    ["--contrast-positions", "2"], ["--contrast-layer", "1"], ["--contrast-temperature", "0.9"],
    ["--teacher-decay", "0.1"], ["--teacher-warmup", "1"], ["--projector-layers", "1"],
    ["--projector-width", "5"], ["--mask-each-block"], ["--contrast-unnormalized"], ["--contrast-sum"],
    ["--self-guided-losses", "masked"],
  ]) func everyOptionMatters(option: [String]) throws {
    // Two blocks, and an output that is no longer zero after the first step.
    let common = ["--self-guided", "--learning-rate", "0.01", "--layers", "2"]
    _ = try train(
      "default", common + (option == ["--contrast-layer", "1"] ? ["--contrast-layer", "2"] : []))
    _ = try train("changed", common + option)
    #expect(try bytes(folder.path("default")) != bytes(folder.path("changed")))
  }

  // MARK: Refusals

  @Test func oneViewIsRefusedWithWhatWouldMakeMore() throws {
    let result = try ToolProcess.run("train-ar", [files.tokens, "-o", folder.path("m"), "--self-guided"])
    expectRefusal(
      result, "train-ar", 65, files.tokens, "expected at least 2 views", "found 1", "--views ten-crop")
    #expect(folder.names.isEmpty)
  }

  @Test func morePositionsThanTokensAreRefused() throws {
    let result = try ToolProcess.run(
      "train-ar",
      [files.views, "-o", folder.path("m"), "--self-guided", "--contrast-positions", "65"]
        + SharedFiles.modelSizes)
    expectRefusal(result, "train-ar", 65, files.views, "at most the 64 tokens", "found 65")
  }

  /// No such file exists, so that 64 and not 66 shows the order of the checks.
  @Test(arguments: [
    "--mask-ratio 0.25", "--masked-weight 1", "--contrast-weight 0.5", "--contrast-positions 4",
    "--contrast-layer 1", "--contrast-temperature 0.2", "--teacher-decay 0.9", "--teacher-warmup 10",
    "--projector-layers 2", "--projector-width 8", "--self-guided-losses none", "--mask-each-block",
    "--contrast-unnormalized", "--contrast-sum",
  ]) func withoutTheSwitchItsOptionsAreRefused(option: String) throws {
    let words = option.split(separator: " ").map(String.init)
    let result = try ToolProcess.run("train-ar", ["no", "-o", folder.path("m")] + words)
    expectRefusal(result, "train-ar", 64, "\(words[0]) needs --self-guided")
  }

  @Test(arguments: [
    "--mask-ratio 1", "--mask-ratio nan", "--masked-weight -1", "--contrast-weight inf",
    "--contrast-positions 1", "--contrast-layer 0", "--contrast-layer 13", "--contrast-temperature 0",
    "--teacher-decay 1", "--teacher-warmup 0", "--projector-layers -1", "--projector-width 0",
    "--self-guided-losses mim", "--self-guided-losses masked,", "--batch-size 1",
    "--batch-size 4 --gradient-accumulation 4",
  ]) func impossibleValuesAreRefused(options: String) throws {
    let words = options.split(separator: " ").map(String.init)
    let result = try ToolProcess.run("train-ar", ["no", "-o", folder.path("m"), "--self-guided"] + words)
    expectRefusal(result, "train-ar", 64, words[0])
  }

  // MARK: Random crops

  private func tokenize(_ name: String, _ options: String...) throws -> TokenBatch {
    let common = ["--tokenizer", files.tokenizer, files.images, "-o", folder.path(name)]
    try succeed("tokenize", common + SharedFiles.repeatable + ["--views", "random-crop"] + options)
    return try tokenBatch(folder.path(name))
  }

  @Test func cropsAreNamedAndFollowTheSeed() throws {
    let eight = try tokenize("eight")
    #expect(eight.header.viewNames == (1...8).map { "random-crop-\($0)" })
    let three = try tokenize("three", "--view-count", "3", "--batch-size", "7")
    #expect(three.header.viewCount == 3)
    let per = eight.header.tokensPerView
    for image in 0..<eight.count {
      let first = Array(eight.tokens[(image * 8 * per)..<(image * 8 * per + 3 * per)])
      #expect(Array(three.tokens[(image * 3 * per)..<((image + 1) * 3 * per)]) == first, "image \(image)")
    }
    #expect(try tokenize("seed", "--seed", "1").tokens != eight.tokens)
    #expect(try tokenize("scale", "--crop-scale", "0.9,1").tokens != eight.tokens)
    #expect(try tokenize("ratio", "--crop-ratio", "1,1").tokens != eight.tokens)
    #expect(try tokenize("mirror", "--crop-mirror-rate", "1").tokens != eight.tokens)
    _ = try succeed(
      "train-ar",
      [folder.path("three"), "-o", folder.path("m"), "--self-guided", "--steps", "2", "--batch-size", "4"]
        + SharedFiles.modelSizes)
  }

  @Test(arguments: [
    "--views random-crop --view-count 0", "--view-count 4", "--crop-scale 0.1,1", "--crop-ratio 1,2",
    "--crop-mirror-rate 0.5", "--views random-crop --crop-scale 0,1",
    "--views random-crop --crop-scale 1,0.5",
    "--views random-crop --crop-ratio 1", "--views random-crop --crop-mirror-rate 2",
  ]) func impossibleCropsAreRefused(options: String) throws {
    let words = options.split(separator: " ").map(String.init)
    let result = try ToolProcess.run("tokenize", ["no", "--tokenizer", "no"] + words)
    expectRefusal(result, "tokenize", 64, try #require(words.last { $0.hasPrefix("--") }))
  }
}
