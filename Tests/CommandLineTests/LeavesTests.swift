import Foundation
import StreamFormat
import TestSupport
import Testing

/// `--leaves`, and processes that were started together. scripts/check-ranks.sh tests several ranks, which need an MPI.
@Suite struct LeavesTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func train(_ more: [String], environment: [String: String] = [:]) throws -> ToolProcess.Result {
    let steps = ["--steps", "6", "--batch-size", "8", "--threads", "1"]
    return try ToolProcess.run(
      "train-ar", [files.tokens] + SharedFiles.modelSizes + steps + more, environment: environment)
  }

  @Test func leavesAreRecordedAndAnotherCheckpointIsRefused() throws {
    let model = folder.path("model")
    let interval = ["-o", model, "--checkpoint-every", "3", "--keep-checkpoint"]
    let first = try train(interval + ["--leaves", "4"])
    #expect(first.status == 0, "\(first.errors)")
    let provenance = try ToolProcess.run("show-file", [model, "--provenance"])
    #expect(provenance.text.contains("leaves"))
    let other = try train(interval + ["--leaves", "2", "--resume"])
    #expect(other.status == 65 && other.errors.contains("training.leaves"), "\(other.errors)")
  }

  /// One leaf is a training without leaves, whose settings do not mention them.
  @Test func oneLeafIsTheDefault() throws {
    for (name, options) in [("one", ["--leaves", "1"]), ("none", [])] {
      #expect(try train(["-o", folder.path(name), "--no-provenance"] + options).status == 0)
    }
    #expect(try bytes(folder.path("one")) == bytes(folder.path("none")))
  }

  @Test(arguments: [
    (["--leaves", "3"], "power of two"), (["--leaves", "16"], "divides --batch-size"),
    (["--leaves", "0"], "power of two"),
    (["--leaves", "4", "--gradient-accumulation", "4"], "the 2 images of a leaf"),
    (["--leaves", "8", "--self-guided"], "at least 2"),
  ]) func leavesThatDoNotFitAreRefused(options: [String], words: String) throws {
    let result = try train(options + ["-o", folder.path("refused")])
    #expect(result.status == 64 && result.errors.contains(words), "\(result.errors)")
  }

  @Test func aDiscriminatorIsRefusedByName() throws {
    let result = try ToolProcess.run(
      "train-tokenizer",
      [files.images, "-o", folder.path("refused"), "--leaves", "2", "--adversarial-start", "1"]
        + ["--discriminator-layers", "1"] + SharedFiles.tokenizerSizes)
    #expect(result.status == 64 && result.errors.contains("--adversarial-start"), "\(result.errors)")
  }

  /// Each of them would train alone and write the same file.
  @Test(arguments: ["train-ar", "train-fine", "train-tokenizer"])
  func processesThatAreNotConnectedAreRefused(tool: String) throws {
    let result = try ToolProcess.run(tool, ["--help"], environment: ["OMPI_COMM_WORLD_SIZE": "2"])
    #expect(result.status == 64 && result.errors.contains("2") && result.output.isEmpty, "\(result.errors)")
    #expect(result.errors.contains("without it") || result.errors.contains("found one alone"))
  }
}
