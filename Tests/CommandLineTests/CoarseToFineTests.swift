import Foundation
import StreamFormat
import Testing
import TestSupport

/// Coarse-to-fine prediction, from a mapping to scores.
@Suite struct CoarseToFineTests {
  private let shared: SharedFiles
  private let files: CoarseToFineFiles
  private let folder = try! TemporaryFolder()
  private let labels = CoarseToFineFiles.labels

  init() throws { (shared, files) = (try SharedFiles.get(), try CoarseToFineFiles.get()) }

  private func repeatable(_ tool: String, _ arguments: [String]) throws -> ToolProcess.Result {
    try succeed(tool, arguments + SharedFiles.repeatable, in: folder.url)
  }

  private func scores(_ arguments: [String]) throws -> [String: Double] {
    let text = try succeed("score-tokens", arguments).text
    return try JSONDecoder().decode([String: Double].self, from: Data(text.utf8))
  }

  // MARK: Files

  @Test func coarseTokensNameTheirMapping() throws {
    let (fine, coarse) = (try tokenBatch(shared.tokens), try tokenBatch(files.coarseTokens))
    let mapping = try CodeMapping(record(files.mapping))
    #expect(coarse.header.vocabSize == 6 && coarse.header.codebookSHA256 == mapping.targetCodebookSHA256)
    #expect(coarse.tokens == fine.tokens.map { UInt32(labels[Int($0)]) } && coarse.labels == fine.labels)
  }

  @Test func samplesAreFineTokensOfTheCoarseOnes() throws {
    let (fine, coarse) = (try tokenBatch(files.samples), try tokenBatch(files.coarseSamples))
    let original = try tokenBatch(shared.tokens).header
    #expect(fine.header.vocabSize == 32 && fine.header.codebookSHA256 == original.codebookSHA256)
    #expect(fine.count == 9 && fine.labels == coarse.labels && fine.header.classNames == original.classNames)
    #expect(fine.tokens.map { UInt32(labels[Int($0)]) } == coarse.tokens)
    let plain = try repeatable("sample", ["--model", files.coarse, "--count", "9"]).output
    #expect(plain != [], "coarse tokens alone")
    try succeed("sample", ["--model", files.coarse, "--count", "9", "-o", "c"], in: folder.url)
    #expect(try tokenBatch(folder.path("c")).tokens == coarse.tokens)
    try succeed("detokenize", ["--tokenizer", shared.tokenizer, files.samples, "--grid", folder.path("png")])
  }

  @Test func showFileShowsTheFineModel() throws {
    let text = try succeed("show-file", [files.fine]).text
    for part in [
      "record 0 at byte 0: fine-model", "\"input_vocab_size\":6", "coarse_codebook_sha256: ",
      "cluster_mask: 1",
      "fine_to_coarse  U32 [32]", "tok_embeddings.weight  F32 [6, 16]", "output.weight  F32 [32, 16]",
    ] { #expect(text.contains(part), "\(part) in \(text)") }
    let values = try succeed("show-file", ["--tensor", "fine_to_coarse", files.fine]).text
    #expect(values.contains(labels.prefix(4).map { "\($0)" }.joined(separator: " ")))
  }

  // MARK: Stage 2

  @Test func theSecondStageAloneRepeatsWhatBothDrew() throws {
    for batch in ["1", "4", "64"] {
      _ = try repeatable(
        "sample",
        [
          "--fine", files.fine, "--coarse-tokens", files.coarseSamples, "--batch-size", batch, "-o", "again",
        ])
      let again = try tokenBatch(folder.path("again"))
      #expect(try again == tokenBatch(files.samples), "batches of \(batch)")
      try FileManager.default.removeItem(atPath: folder.path("again"))
    }
  }

  @Test func severalFillingsOfOneLayout() throws {
    let alone = ["--fine", files.fine, "--coarse-tokens", files.coarseSamples]
    _ = try repeatable("sample", alone + ["--fillings", "3", "-o", "three"])
    _ = try repeatable("sample", alone + ["--seed", "1", "-o", "other"])
    let (three, one) = (try tokenBatch(folder.path("three")), try tokenBatch(files.samples))
    let other = try tokenBatch(folder.path("other"))
    #expect(three.count == 27 && other.tokens != one.tokens)
    for image in 0..<9 {
      #expect(three.labels[3 * image..<3 * image + 3].allSatisfy { $0 == one.labels[image] })
      #expect(
        three.tokens(image: 3 * image) == one.tokens(image: image), "the first filling is the plain one")
      #expect(Array(three.tokens(image: 3 * image + 1)) != Array(one.tokens(image: image)))
      for filling in 0..<3 {
        let tokens = three.tokens(image: 3 * image + filling)
        #expect(tokens.map { labels[Int($0)] } == one.tokens(image: image).map { labels[Int($0)] })
      }
    }
  }

  @Test func optionsOfTheSecondStageChangeItAlone() throws {
    for options in [["--fine-guidance", "100000"], ["--fine-temperature", "0"], ["--fine-top-k", "1"]] {
      _ = try repeatable(
        "sample",
        ["--model", files.coarse, "--fine", files.fine, "--count", "9", "-o", "out", "--force"] + options)
      let fine = try tokenBatch(folder.path("out"))
      #expect(try fine.tokens.map { UInt32(labels[Int($0)]) } == tokenBatch(files.coarseSamples).tokens)
      #expect(try fine.tokens != tokenBatch(files.samples).tokens, "\(options)")
    }
    let settings = try record(folder.path("out")).metadata("sampling")
    #expect(settings.contains("\"fineDraw\":{") && settings.contains("\"topK\":1"))
  }

  @Test func imagesOfNoClassGoThroughBothStages() throws {
    let labels = try write(Array("3\n0\n".utf8), "labels", in: folder)
    _ = try repeatable(
      "sample", ["--model", files.coarse, "--fine", files.fine, "--labels", labels, "-o", "out"])
    #expect(try tokenBatch(folder.path("out")).labels == [3, 0])
  }

  // MARK: The two ends

  @Test func withOneCodeALabelTheResultIsTheBaselines() throws {
    let labels = Array(0..<32)
    let mapping = try writeMapping(labels, count: 32, "identity", in: folder)
    let training = SharedFiles.modelSizes + CoarseToFineFiles.steps
    _ = try repeatable("relabel-tokens", ["--mapping", mapping, shared.tokens, "-o", "same"])
    _ = try repeatable("train-ar", [shared.tokens, "-o", "baseline"] + training)
    _ = try repeatable("train-ar", ["same", "-o", "coarse"] + training)
    _ = try repeatable("train-fine", [shared.tokens, "--mapping", mapping, "-o", "fine"] + training)
    let draw = ["--count", "9", "--seed", "5", "--guidance", "2", "--top-k", "20"]
    _ = try repeatable("sample", ["--model", "baseline", "-o", "one"] + draw)
    _ = try repeatable("sample", ["--model", "coarse", "--fine", "fine", "-o", "two"] + draw)
    #expect(try tokenBatch(folder.path("one")) == tokenBatch(folder.path("two")))
    let model = folder.path("coarse")
    let joint = try scores([shared.tokens, "--model", model, "--fine", folder.path("fine")])
    let plain = try scores([shared.tokens, "--model", folder.path("baseline")])
    #expect(joint["fine_loss"] == 0 && joint["fine_token_top1"] == 1)
    #expect(joint["joint_loss"] == plain["loss"] && joint["coarse_loss"] == plain["loss"])
  }

  @Test func withOneLabelAllComesFromTheSecondStage() throws {
    let mapping = try writeMapping([Int](repeating: 0, count: 32), count: 1, "one", in: folder)
    let training = SharedFiles.modelSizes + CoarseToFineFiles.steps
    _ = try repeatable("relabel-tokens", ["--mapping", mapping, shared.tokens, "-o", "ones"])
    _ = try repeatable("train-ar", ["ones", "-o", "coarse"] + training)
    _ = try repeatable("train-fine", [shared.tokens, "--mapping", mapping, "-o", "fine"] + training)
    let joint = try scores([
      shared.tokens, "--model", folder.path("coarse"), "--fine", folder.path("fine"), "--held-out", "0.2",
    ])
    #expect(joint["coarse_loss"] == 0 && joint["joint_loss"] == joint["fine_loss"])
    #expect(joint["images"] == 12)
    _ = try repeatable("sample", ["--model", "coarse", "--fine", "fine", "--count", "20", "-o", "out"])
    #expect(try Set(tokenBatch(folder.path("out")).tokens).count > 16)
  }

  @Test func withoutTheMaskAllCodesArePossible() throws {
    _ = try repeatable(
      "train-fine",
      [shared.tokens, "--mapping", files.mapping, "-o", "free", "--no-cluster-mask"] + SharedFiles.modelSizes
        + CoarseToFineFiles.steps)
    let free = try scores([shared.tokens, "--fine", folder.path("free")])
    let masked = try scores([shared.tokens, "--fine", files.fine])
    #expect(try #require(free["fine_loss"]) > (try #require(masked["fine_loss"])))
    _ = try repeatable("sample", ["--fine", "free", "--coarse-tokens", files.coarseSamples, "-o", "out"])
    let drawn = try tokenBatch(folder.path("out")).tokens.map { UInt32(labels[Int($0)]) }
    #expect(try drawn != tokenBatch(files.coarseSamples).tokens)
  }

  // MARK: Scores

  @Test func jointScoresAreTheSumOfBothStages() throws {
    let held = ["--held-out", "0.2"]
    let joint = try scores([shared.tokens, "--model", files.coarse, "--fine", files.fine] + held)
    let coarse = try scores([files.coarseTokens, "--model", files.coarse] + held)
    let fine = try scores([shared.tokens, "--fine", files.fine, "--batch-size", "5"] + held)
    #expect(joint["coarse_loss"] == coarse["loss"] && joint["coarse_token_top5"] == coarse["token_top5"])
    #expect(joint["fine_token_top1"] == fine["fine_token_top1"] && fine["coarse_loss"] == nil)
    let (sum, part) = (try #require(joint["joint_loss"]), try #require(fine["fine_loss"]))
    #expect(abs(sum - part - (try #require(coarse["loss"]))) < 1e-6)
    #expect(part > 0 && part < 2.48, "at most log 12, what is left where a label says no more than its codes")
  }

  // MARK: Refusals

  /// Files of another mapping: as `files`, with the first code elsewhere.
  private func otherMapping() throws -> String {
    try writeMapping([5] + labels.dropFirst(), count: 6, "other", in: folder)
  }

  @Test func filesOfOtherCodebooksAreRefused() throws {
    let other = try otherMapping()
    let foreign = try writeMapping(
      labels, count: 6, "foreign", in: folder, source: String(repeating: "0", count: 64))
    let training = SharedFiles.modelSizes + ["--steps", "1", "--batch-size", "4"]
    try succeed("train-fine", [shared.tokens, "--mapping", other, "-o", folder.path("f")] + training)
    let out = ["-o", folder.path("out")]
    let (train, score) = (["--mapping", files.mapping] + training + out, ["--fine", files.fine])
    let cases: [(String, [String], [String])] = [
      ("train-fine", [shared.tokens, "--mapping", foreign] + training + out, [shared.tokens, "foreign"]),
      ("train-fine", [shared.relabelled] + train, [shared.relabelled, "expected codes of codebook"]),
      ("train-fine", [files.coarseTokens] + train, ["expected fine tokens; found coarse labels", "try:"]),
      ("train-fine", [shared.tokens, "--mapping", shared.mapping] + training + out, ["found a permutation"]),
      ("sample", ["--model", files.coarse, "--fine", folder.path("f")] + out, ["coarse labels of mapping"]),
      ("sample", ["--model", files.coarse, "--fine", files.coarse] + out, ["fine-model", "found ar-model"]),
      ("sample", ["--model", files.fine, "--fine", files.fine] + out, ["ar-model", "found fine-model"]),
      ("sample", ["--model", files.fine] + out, ["ar-model", "found fine-model"]),
      (
        "sample", score + ["--coarse-tokens", files.samples] + out,
        ["expected coarse labels; found fine codes"]
      ),
      ("sample", score + ["--coarse-tokens", shared.samples] + out, ["coarse labels of mapping"]),
      ("score-tokens", score + [files.coarseTokens], ["expected fine tokens; found coarse labels"]),
      ("score-tokens", score + [shared.relabelled], ["expected codes of codebook"]),
      ("score-tokens", score + [shared.tokens, "--model", shared.model], ["coarse labels of mapping"]),
      (
        "score-tokens", ["--fine", folder.path("f"), shared.tokens, "--model", files.coarse],
        ["coarse labels of mapping"]
      ),
      ("score-tokens", [shared.tokens, "--model", files.fine], ["ar-model", "found fine-model"]),
      (
        "relabel-tokens", [files.coarseTokens, "--mapping", files.mapping] + out,
        ["expected codes of codebook"]
      ),
    ]
    for (tool, arguments, words) in cases {
      let result = try ToolProcess.run(tool, arguments)
      expectRefusal(result, tool, 65)
      for word in words { #expect(result.errors.contains(word), "'\(word)' in \(result.errors)") }
    }
    #expect(folder.names == ["f", "foreign", "other"], "a refused run leaves no file")
  }

  @Test func clashingOptionsAreRefused() throws {
    let cases: [(String, [String], String)] = [
      ("sample", [], "give --model"), ("sample", ["--fine", "no"], "--coarse-tokens"),
      ("sample", ["--model", "no", "--fine-top-k", "3"], "--fine"),
      ("sample", ["--model", "no", "--fine", "no", "--coarse-tokens", "no"], "give --model"),
      ("sample", ["--fine", "no", "--coarse-tokens", "no", "--count", "3"], "classes"),
      ("sample", ["--model", "no", "--fine", "no", "--fillings", "3"], "--fillings"),
      ("sample", ["--fine", "no", "--coarse-tokens", "no", "--fillings", "0"], "--fillings"),
      ("sample", ["--model", "no", "--fine", "no", "--fine-temperature", "nan"], "--fine-temperature"),
      ("sample", ["--model", "no", "--fine", "no", "--coarse-output", "-"], "--coarse-output"),
      ("sample", ["--model", "-", "--fine", "-"], "'-'"),
      ("score-tokens", ["no"], "give --model"),
      ("score-tokens", ["no", "--fine", "no", "--logits", "l"], "--logits"),
      ("score-tokens", ["no", "--fine", "no", "--cluster-size", "4"], "--cluster-size"),
      ("train-fine", ["no", "--mapping", "no", "-o", "o", "--class-dropout", "1"], "--class-dropout"),
      ("train-fine", ["no", "--mapping", "no", "-o", "o", "--gradient-accumulation", "3"], "divide"),
      ("train-fine", ["-", "--mapping", "-", "-o", "o"], "'-'"),
    ]
    for (tool, arguments, word) in cases {
      expectRefusal(try ToolProcess.run(tool, arguments), tool, 64, word)
    }
  }
}
