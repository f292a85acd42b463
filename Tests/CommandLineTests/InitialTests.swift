import Foundation
import StreamFormat
import Testing
import TestSupport

/// Training that starts from a model: what is taken over, what stays as it is, and what is refused.
@Suite struct InitialTests {
  private let files: SharedFiles
  private let coarse: CoarseToFineFiles
  private let folder = try! TemporaryFolder()

  init() throws { (files, coarse) = (try SharedFiles.get(), try CoarseToFineFiles.get()) }

  private static let steps = ["--steps", "3", "--batch-size", "8", "--learning-rate", "0.01"]

  /// Trains for three steps from the shared model, and gives the result's record.
  private func tuned(_ more: [String], tokens: String? = nil, name: String = "tuned") throws -> Record {
    try succeed(
      "train-ar",
      [tokens ?? files.relabelled, "--initial", files.model, "-o", folder.path(name)] + Self.steps
        + SharedFiles.repeatable + more)
    return try record(folder.path(name))
  }

  private func floats(_ record: Record, _ name: String) throws -> [Float] { try record.tensor(name).floats() }

  /// The tokens with other classes: a file whose classes are the given ones, in this order.
  private func tokens(classNames: [String]) throws -> String {
    var batch = try tokenBatch(files.relabelled)
    batch.labels = batch.labels.map { $0 % UInt32(max(2, classNames.count)) }
    batch.header.classNames = classNames
    batch.header.classCount = max(2, classNames.count)
    let sink = MemorySink()
    let writer = TokenWriter(RecordWriter(sink), header: batch.header)
    try writer.write(batch)
    try writer.finish()
    return try write(sink.bytes, "classes.tokens.zst", in: folder)
  }

  @Test func aRunWithoutAStepOfNoteIsTheModel() throws {
    let still = ["--steps", "1", "--learning-rate", "1e-30", "--weight-decay", "0"]
    let (old, new) = (try record(files.model), try tuned(still))
    #expect(new.metadata["config"] == old.metadata["config"])
    for tensor in old.tensors {
      let (before, after) = (try floats(old, tensor.name), try floats(new, tensor.name))
      #expect(zip(before, after).allSatisfy { abs($0 - $1) < 1e-20 }, "\(tensor.name)")
    }
  }

  @Test func classesAreMatchedByNameOrStartFromNoClass() throws {
    let table = "cls_embedding.embedding_table.weight"
    let old = try floats(record(files.model), table)
    func row(_ values: [Float], _ index: Int) -> [Float] { Array(values[index * 16..<(index + 1) * 16]) }
    let still = ["--steps", "1", "--learning-rate", "1e-30", "--weight-decay", "0"]
    for (options, sources) in [([], [1, 3, 0, 3]), (["--initial-classes", "new"], [3, 3, 3, 3])] {
      // The shared model knows a, b and c; row 3 is "no class".
      let new = try floats(
        tuned(still + options, tokens: tokens(classNames: ["b", "zebra", "a"])), table)
      for (index, source) in sources.enumerated() {
        #expect(
          zip(row(new, index), row(old, source)).allSatisfy { abs($0 - $1) < 1e-20 },
          "row \(index) \(options)")
      }
    }
  }

  /// Frozen parts keep every bit, through weight decay and averaging; the others move.
  @Test(arguments: [
    ("blocks", ["layers."]), ("blocks:1", ["layers."]),
    ("output", ["norm.weight", "output.weight"]), ("tokens,classes", ["tok_", "cls_"]),
  ]) func frozenPartsStay(parts: String, frozen: [String]) throws {
    let old = try record(files.model)
    let new = try tuned(["--freeze", parts, "--ema", "0.5", "--weight-decay", "0.3"])
    for tensor in old.tensors {
      let isSame = try floats(old, tensor.name) == floats(new, tensor.name)
      #expect(isSame == frozen.contains { tensor.name.hasPrefix($0) }, "\(tensor.name)")
    }
  }

  @Test func aTokenizersDecoderIsTrainedAloneAndTokensStay() throws {
    let output = folder.path("tokenizer")
    try succeed(
      "train-tokenizer",
      [
        files.images, "--initial", files.tokenizer, "--freeze", "encoder,codebook", "-o", output,
        "--dead-code-interval", "1",
      ] + Self.steps + SharedFiles.repeatable)
    let (old, new) = (try record(files.tokenizer), try record(output))
    #expect(new.metadata["codebook_sha256"] == old.metadata["codebook_sha256"])
    for tensor in old.tensors {
      let isDecoder = tensor.name.hasPrefix("decoder.") || tensor.name.hasPrefix("post_quant_conv.")
      let isSame = try floats(old, tensor.name) == floats(new, tensor.name)
      #expect(isSame == !isDecoder, "\(tensor.name)")
    }
    try succeed(
      "tokenize", ["--tokenizer", output, files.images, "-o", folder.path("t")] + SharedFiles.repeatable)
    #expect(try tokenBatch(folder.path("t")).tokens == tokenBatch(files.tokens).tokens)
  }

  @Test func aFineModelGoesOn() throws {
    let output = folder.path("fine")
    let result = try succeed(
      "train-fine",
      [
        files.tokens, "--mapping", coarse.mapping, "--initial", coarse.fine, "-o", output, "--freeze",
        "output",
      ]
        + Self.steps + SharedFiles.repeatable)
    #expect(result.errors.contains("3 of 3 classes are those of the model"), "\(result.errors)")
    #expect(try floats(record(output), "output.weight") == floats(record(coarse.fine), "output.weight"))
    #expect(
      try floats(record(output), "tok_embeddings.weight")
        != floats(record(coarse.fine), "tok_embeddings.weight"))
  }

  @Test func aResumedRunIsTheSameAndKnowsItsStart() throws {
    func line(_ name: String, _ more: [String]) -> [String] {
      [
        files.relabelled, "-o", folder.path(name), "--steps", "8", "--batch-size", "8", "--checkpoint-every",
        "4",
      ]
        + SharedFiles.repeatable + more
    }
    let start = ["--initial", files.model, "--freeze", "blocks"]
    try succeed("train-ar", line("whole", start))
    // A checkpoint of the middle: the run is killed at the first line of its log after the fourth step.
    let log = folder.path("log")
    let command = (["train-ar"] + line("cut", start + ["--log", log])).map { "'\($0)'" }.joined(
      separator: " ")
    _ = try ToolProcess.shell(
      "set -m; \(command) & while kill -0 $! && ! [ -e '\(folder.path("cut")).checkpoint' ]; do sleep 0.01; done; "
        + "kill -KILL $!; wait $!", timeout: 60)
    if FileManager.default.fileExists(atPath: folder.path("cut.checkpoint")) {
      let bare = try ToolProcess.run(
        "train-ar", line("cut", SharedFiles.modelSizes + ["--resume"]), timeout: 60)
      expectRefusal(bare, "train-ar", 65, "expected initial", "found", "try: the --initial and --freeze")
    }
    try succeed("train-ar", line("cut", start + ["--resume"]))
    #expect(try bytes(folder.path("cut")) == bytes(folder.path("whole")))
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let output = ["-o", folder.path("out")]
    let start = ["--initial", files.model]
    let usage: [(String, [String], String)] = [
      (
        "train-ar", [files.relabelled, "--freeze", "blocks"], "--freeze and --initial-classes need --initial"
      ),
      ("train-ar", [files.relabelled, "--initial-classes", "new"], "need --initial"),
      ("train-ar", [files.relabelled, "--freeze", "heads"] + start, "--freeze must be some of"),
      ("train-ar", [files.relabelled, "--freeze", "blocks:0-2"] + start, "--freeze must be some of"),
      ("train-ar", [files.relabelled, "--layers", "2"] + start, "leave --layers out"),
      ("train-ar", [files.relabelled, "--width", "100"] + start, "leave --width out"),
      ("train-ar", [files.relabelled, "--width", "100"], "width 100 does not divide into 12 heads"),
      (
        "train-ar", [files.relabelled, "--freeze", "blocks:1-9"] + start,
        "expected blocks from 1 to 1, those of the model; found 9"
      ),
      ("train-tokenizer", ["-", "--initial", "-"], "'-' is given for two inputs"),
      (
        "train-ar", [files.relabelled, "--freeze", "tokens,classes,blocks,output"] + start, "found all frozen"
      ),
      (
        "train-ar", ["views", "--self-guided", "--contrast-layer", "2"] + start,
        "--contrast-layer: expected 1 to the model's 1 blocks; found 2"
      ),
      (
        "train-tokenizer", [files.images, "--initial", files.tokenizer, "--codes", "64"], "leave --codes out"
      ),
      (
        "train-tokenizer", [files.images, "--initial", files.tokenizer, "--autoencoder-steps", "2"],
        "leave it out"
      ),
      ("train-tokenizer", [files.images, "--freeze", "encoder"], "--freeze needs --initial"),
    ]
    try succeed(
      "relabel-tokens", [files.views, "--mapping", files.mapping, "-o", folder.path("views")])
    for (tool, arguments, words) in usage {
      let result = try ToolProcess.run(tool, arguments + output, in: folder.url, timeout: 30)
      #expect(
        result.status == 64 && result.errors.contains(words), "\(result.status) \(result.errors)")
    }
    let other = try ToolProcess.run("train-ar", [files.tokens] + start + output, timeout: 30)
    expectRefusal(other, "train-ar", 65, "expected codes of codebook", "try:")
    let kind = try ToolProcess.run(
      "train-ar", [files.relabelled, "--initial", files.tokenizer] + output, timeout: 30)
    expectRefusal(
      kind, "train-ar", 65, "expected a file of kind ar-model; found tokenizer; try: check which file stands")
    let nameless = try ToolProcess.run(
      "train-ar", [tokens(classNames: [])] + start + output, timeout: 30)
    expectRefusal(nameless, "train-ar", 65, "expected 3 classes", "try: --initial-classes new")
    #expect(!FileManager.default.fileExists(atPath: folder.path("out")))
  }
}
