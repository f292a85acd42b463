import Foundation
import StreamFormat
import TestSupport

/// Both stages trained for a few steps on the shared tokens, made once for all tests.
final class CoarseToFineFiles: Sendable {
  private static let made = Result { try CoarseToFineFiles() }

  /// The files; throws where a tool failed to make them.
  static func get() throws -> CoarseToFineFiles { try made.get() }

  /// The 32 codes of the shared tokenizer in 6 clusters: one of 12, five of 4.
  static let labels = (0..<32).map { [0, 3, 3, 1, 5, 3, 2, 4][(5 * $0 + $0 / 8) % 8] }

  let folder = try! TemporaryFolder()
  var mapping: String { folder.path("mapping.tensors.zst") }
  var coarseTokens: String { folder.path("coarse.tokens.zst") }
  var coarse: String { folder.path("coarse.tensors.zst") }
  var fine: String { folder.path("fine.tensors.zst") }
  var samples: String { folder.path("samples.tokens.zst") }
  var coarseSamples: String { folder.path("coarse-samples.tokens.zst") }
  /// Steps of both stages.
  static let steps = ["--steps", "12", "--batch-size", "16"]

  private init() throws {
    let files = try SharedFiles.get()
    _ = try writeMapping(Self.labels, count: 6, "mapping.tensors.zst", in: folder)
    let run = { (tool: String, arguments: [String]) in
      let result = try ToolProcess.run(tool, arguments + SharedFiles.repeatable)
      guard result.status == 0 else { throw SharedFiles.PipelineFailed(tool: tool, errors: result.errors) }
    }
    try run("relabel-tokens", ["--mapping", mapping, files.tokens, "-o", coarseTokens])
    try run("train-ar", [coarseTokens, "-o", coarse] + SharedFiles.modelSizes + Self.steps)
    try run(
      "train-fine", [files.tokens, "--mapping", mapping, "-o", fine] + SharedFiles.modelSizes + Self.steps)
    try run(
      "sample",
      ["--model", coarse, "--fine", fine, "--count", "9", "-o", samples, "--coarse-output", coarseSamples])
  }
}

/// Writes a fine-to-coarse mapping of the shared tokens' codebook, and gives its path.
func writeMapping(
  _ labels: [Int], count: Int, _ name: String, in folder: TemporaryFolder, source: String? = nil
) throws -> String {
  let mapping = CodeMapping(
    fineToCoarse: labels, coarseCount: count,
    sourceCodebookSHA256: try source ?? tokenBatch(SharedFiles.get().tokens).header.codebookSHA256,
    targetCodebookSHA256: SHA256Hasher.hex(of: Array("\(labels)".utf8)))
  return try write(file(of: [mapping.record()]), name, in: folder)
}
