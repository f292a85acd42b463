import Foundation
import Images
import StreamFormat
import Testing
import TestSupport

/// A model of several scales (VAR) from training to pictures.
@Suite struct ScaleModelTests {
  /// A tokenizer of scales 1, 2 and 4, IAR's order of it, and a model; nothing in it may be changed by a test.
  private struct Files: Sendable {
    private static let made = Result { try Files() }
    static func get() throws -> Files { try made.get() }

    let folder: TemporaryFolder
    let images: String
    var tokenizer: String { folder.path("r") }
    var tokens: String { folder.path("rt") }
    var model: String { folder.path("model") }

    static let sizes = [
      "--layers", "2", "--heads", "2", "--width", "16", "--model", "CPU-VAR-tiny", "--batch-size", "8",
    ]

    private init() throws {
      (folder, images) = (try TemporaryFolder(), try SharedFiles.get().images)
      try succeed(
        "train-tokenizer",
        [
          images, "-o", folder.path("t"), "--model", "CPU-VAR-4", "--size", "16", "--multipliers", "1,2,2",
          "--channels",
          "8", "--groups", "4", "--codes", "32", "--scales", "1,2,4", "--phi-count", "2", "--steps", "8",
          "--autoencoder-steps", "3", "--batch-size", "16",
        ] + SharedFiles.repeatable)
      try succeed(
        "tokenize",
        ["--tokenizer", folder.path("t"), images, "-o", folder.path("tt")] + SharedFiles.repeatable)
      try succeed(
        "rearrange-codebook",
        [folder.path("t"), "--cluster-size", "4", "-o", tokenizer, "--mapping", folder.path("m")]
          + SharedFiles.repeatable)
      try succeed(
        "relabel-tokens",
        ["--mapping", folder.path("m"), folder.path("tt"), "-o", tokens] + SharedFiles.repeatable)
      try succeed(
        "train-ar",
        [tokens, "--tokenizer", tokenizer, "-o", model, "--steps", "6", "--cluster-size", "4"] + Self.sizes
          + SharedFiles.repeatable)
    }
  }

  private let files: Files
  private let shared: SharedFiles
  private let folder: TemporaryFolder

  init() throws {
    (files, shared, folder) = (try Files.get(), try SharedFiles.get(), try TemporaryFolder())
  }

  /// Training goes on from a model, exactly after an interruption too, and frozen parts stay as they are.
  @Test func aTrainingStartsFromAModel() throws {
    func line(_ name: String, _ more: [String] = []) -> [String] {
      [
        files.tokens, "--tokenizer", files.tokenizer, "--initial", files.model, "--batch-size", "8",
        "-o", folder.path(name),
      ] + SharedFiles.repeatable + more
    }
    let steps = ["--steps", "30", "--checkpoint-every", "2"]
    try succeed("train-ar", line("whole", steps))
    let cut = (["train-ar"] + line("cut", steps)).map { "'\($0)'" }.joined(separator: " ")
    _ = try ToolProcess.shell(
      "set -m; \(cut) & while kill -0 $! && ! [ -e '\(folder.path("cut")).checkpoint' ]; do sleep 0.01; done; "
        + "kill -KILL $!; wait $!", timeout: 60)
    try succeed("train-ar", line("cut", steps + ["--resume"]))
    #expect(try bytes(folder.path("cut")) == bytes(folder.path("whole")))
    let frozen = ["--freeze", "blocks,tokens,output", "--initial-classes", "new"]
    try succeed("train-ar", line("frozen", frozen + ["--steps", "2"]))
    let (before, after) = (try tensors(files.model), try tensors(folder.path("frozen")))
    for (name, bytes) in before {
      let isFrozen = ["blocks", "word_embed", "head", "head_nm"].contains(name.split(separator: ".")[0])
      if isFrozen { #expect(after[name] == bytes, "\(name)") }
    }
    #expect(after["class_emb.weight"] != before["class_emb.weight"])
  }

  private func tensors(_ path: String) throws -> [String: [UInt8]] {
    let record = try #require(try RecordReader(FileSource(path: path)).next())
    return Dictionary(uniqueKeysWithValues: record.tensors.map { ($0.name, $0.bytes) })
  }

  @Test func modelsThatCannotBeAStart() throws {
    let tokens = [files.tokens, "--tokenizer", files.tokenizer, "-o", folder.path("no"), "--steps", "1"]
    let cases: [([String], Int32, String)] = [
      (["--initial", shared.model], 65, "kind"),
      (["--initial", files.model, "--layers", "2"], 64, "leave --layers out"),
      (["--initial", files.model, "--shared-conditioning"], 64, "found --shared-conditioning beside it"),
      (["--initial", files.model, "--freeze", "blocks:3"], 64, "expected blocks from 1 to 2"),
    ]
    for (arguments, status, words) in cases {
      let result = try ToolProcess.run("train-ar", tokens + arguments, in: folder.url)
      #expect(result.status == status && result.errors.contains(words), "\(arguments) \(result.errors)")
    }
    #expect(folder.names == [])
  }

  @Test func samplesDoNotDependOnTheBatch() throws {
    let common =
      ["--model", files.model, "--per-class", "2", "--top-k", "20", "--top-p", "0.95"]
      + SharedFiles.repeatable
    for (size, name) in [("1", "a"), ("5", "b")] {
      try succeed("sample", common + ["--guidance", "2", "--batch-size", size, "-o", folder.path(name)])
    }
    let batch = try tokenBatch(folder.path("a"))
    #expect(try batch == tokenBatch(folder.path("b")) && batch.header.layout == .scales([1, 2, 4]))
    #expect(batch.labels == [0, 0, 1, 1, 2, 2] && batch.header.classNames == ["a", "b", "c"])
    try succeed(
      "detokenize",
      [folder.path("a"), "--tokenizer", files.tokenizer, "--row-per-class", "--grid", folder.path("p")])
    // Guidance rises over the scales unless another schedule is given.
    for (schedule, name) in [("linear", "l"), ("constant", "c")] {
      try succeed(
        "sample", common + ["--guidance", "2", "--guidance-schedule", schedule, "-o", folder.path(name)])
    }
    #expect(try tokenBatch(folder.path("l")).tokens == batch.tokens)
    #expect(try record(folder.path("a")).metadata["sampling"]?.contains("linear") == true)
    #expect(try tokenBatch(folder.path("c")).tokens != batch.tokens)
    // From a pipe, where a file cannot be read twice.
    let piped = try ToolProcess.run(
      "sample",
      ["--model", "-", "--per-class", "2", "--top-k", "20", "--top-p", "0.95", "--guidance", "2"]
        + SharedFiles.repeatable, input: bytes(files.model))
    #expect(piped.status == 0, "\(piped.errors)")
    #expect(try TokenReader(RecordReader(MemorySource(piped.output))).readAll().tokens == batch.tokens)
  }

  @Test func scoresOfEachScale() throws {
    let result = try succeed(
      "score-tokens",
      ["--model", files.model, files.tokens, "--logits", folder.path("l")] + SharedFiles.repeatable)
    let object = try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Double]
    let scores = try #require(object)
    let loss = (1...3).map { scores["loss_scale_\($0)"] ?? .nan }
    let mean = (loss[0] + 4 * loss[1] + 16 * loss[2]) / 21
    #expect(abs(mean - (scores["loss"] ?? .nan)) < 1e-6, "\(scores)")
    #expect(scores["cluster_loss"] != nil && scores["images"] == 60)
    #expect(try record(folder.path("l")).tensor("logits").shape.dropFirst() == [21, 32])
  }

  @Test func mapsOfEachScale() throws {
    let result = try succeed(
      "score-tokens",
      [
        files.tokens, "--model", files.model, "--map", "map", "--map-sheet", "sheet.png", "--draw", "3",
        "--enlarge", "2", "--batch-size", "60",
      ] + SharedFiles.repeatable, in: folder.url)
    let object = try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Double]
    let scores = try #require(object)
    let map = try record(folder.path("map"))
    #expect(map.metadata["layout"] == "scales" && map.metadata["scales"] == "[1,2,4]")
    let nats = try map.tensor("features").doubles()
    #expect(nats.count == 60 * 21)
    for (scale, part) in [0..<1, 1..<5, 5..<21].enumerated() {
      let own = (0..<60).flatMap { image in part.map { nats[image * 21 + $0] } }
      let mean = own.reduce(0, +) / Double(own.count)
      #expect(abs(mean - (scores["loss_scale_\(scale + 1)"] ?? .nan)) < 1e-12)
    }
    // A row per image, a map per scale, all of 4 x 4 cells of two pixels.
    let sheet = try ImageDecoder.decode(bytes(folder.path("sheet.png")), name: "sheet.png")
    #expect(sheet.width == 3 * 10 + 2 && sheet.height == 3 * 10 + 2)
    let first = sheet.cropped(x: 2, y: 2, width: 8, height: 8)
    #expect(first == RGBImage(width: 8, height: 8, filledWith: HeatScale(full: log(32)).color(of: nats[0])))
    let second = sheet.cropped(x: 12, y: 2, width: 8, height: 8)
    #expect(second == HeatScale(full: log(32)).picture(of: nats[1..<5], rows: 2, columns: 2).enlarged(by: 4))
  }

  @Test func presetsOfSeveralScales() throws {
    let model = ["--model", files.model, "--count", "2"] + SharedFiles.repeatable
    let result = try succeed("sample", model + ["--preset", "var-d16-256", "-o", folder.path("p")])
    #expect(result.errors.contains("--preset var-d16-256 is for 16 layers"))
    try succeed(
      "sample",
      model + ["--guidance", "2.5", "--top-k", "900", "--top-p", "0.96", "-o", folder.path("o")])
    #expect(try tokenBatch(folder.path("p")).tokens == tokenBatch(folder.path("o")).tokens)
    let other = try ToolProcess.run("sample", model + ["--preset", "iar-B-256", "-o", folder.path("x")])
    expectRefusal(other, "sample", 65, files.model, "for --preset iar-B-256", "scales 1,2,4")
  }

  @Test func shardsAreTheWhole() throws {
    let scoring = [files.tokens, "--model", files.model, "--held-out", "0.2", "--batch-size", "5"]
    let drawing = ["--model", files.model, "--count", "7", "--guidance", "2"] + SharedFiles.repeatable
    let whole = try succeed("score-tokens", scoring + SharedFiles.repeatable).text
    let samples = try TokenReader(RecordReader(MemorySource(succeed("sample", drawing).output))).readAll()
    // Twelve images in batches of five: with four shards one has no batch.
    for count in [2, 4] {
      let shards = (1...count).map { ["--shard", "\($0)/\(count)"] }
      let lines = try shards.map { try succeed("score-tokens", scoring + $0 + SharedFiles.repeatable).text }
      let merged = try ToolProcess.run(
        "score-tokens", ["-", "--merge"], input: Array(lines.joined().utf8))
      #expect(merged.text == whole, "\(merged.errors)")
      let parts = try shards.flatMap { try succeed("sample", drawing + $0).output }
      #expect(try TokenReader(RecordReader(MemorySource(parts))).readAll() == samples)
    }
  }

  @Test func aTrainingGoesOnExactly() throws {
    let common =
      [files.tokens, "--tokenizer", files.tokenizer, "--steps", "6", "--cluster-size", "4"] + Files.sizes
      + SharedFiles.repeatable
    try succeed(
      "train-ar",
      common + ["-o", folder.path("o"), "--checkpoint-every", "3", "--keep-checkpoint", "--save-at", "4"])
    #expect(try bytes(folder.path("o")) == bytes(files.model))
    let other = try ToolProcess.run(
      "train-ar", common + ["-o", folder.path("o"), "--resume", "--drop-path", "0.5"])
    #expect(other.status == 65 && other.errors.contains("dropout"), "\(other.errors)")
  }

  @Test func aBFloat16ModelDraws() throws {
    for precision in ["bfloat16", "int8"] {
      try succeed(
        "sample",
        ["--model", files.model, "--count", "3", "--precision", precision, "-o", folder.path(precision)])
      #expect(try tokenBatch(folder.path(precision)).count == 3)
    }
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let out = ["-o", folder.path("out")]
    let cases: [(tool: String, arguments: [String], status: Int32, words: String)] = [
      ("train-ar", [files.tokens, "--steps", "1"] + out, 64, "expected --tokenizer"),
      ("train-ar", [files.tokens, "--tokenizer", shared.tokenizer, "--steps", "1"] + out, 65, "codebook"),
      (
        "train-ar", [shared.tokens, "--tokenizer", shared.tokenizer, "--steps", "1"] + out, 64,
        "several scales"
      ),
      (
        "train-ar",
        [files.tokens, "--tokenizer", files.tokenizer, "--model", "CPU-tiny", "--steps", "1"] + out, 64,
        "CPU-VAR-tiny"
      ),
      ("train-ar", [shared.tokens, "--model", "VAR-d16", "--steps", "1"] + out, 64, "GPT-B"),
      (
        "train-ar", [files.tokens, "--tokenizer", files.tokenizer, "--dropout", "0.1", "--steps", "1"] + out,
        64,
        "--drop-path"
      ),
      (
        "train-ar", [files.tokens, "--tokenizer", files.tokenizer, "--drop-path", "1"] + out, 64,
        "--drop-path"
      ),
      (
        "train-ar",
        [files.tokens, "--tokenizer", files.tokenizer, "--cluster-size", "5", "--steps", "1"] + out, 65,
        "--cluster-size"
      ),
      ("score-tokens", ["--model", files.model, shared.relabelled], 65, "codebook"),
      ("score-tokens", ["--model", shared.model, files.tokens], 65, "codebook"),
      ("linear-probe", ["--model", files.model, files.tokens, "--held-out", "0.25"] + out, 65, "ar-model"),
      (
        "attention-maps", ["--model", files.model, files.tokens, "--tokenizer", files.tokenizer] + out, 65,
        "ar-model"
      ),
    ]
    for (tool, arguments, status, words) in cases {
      let result = try ToolProcess.run(tool, arguments)
      #expect(
        result.status == status && result.errors.contains(words), "\(tool) \(arguments): \(result.errors)")
    }
    #expect(!FileManager.default.fileExists(atPath: folder.path("out")))
  }
}
