import Foundation
import TestSupport
import Testing

/// The help text of every tool, word for word: a change of it is seen in review. `make snapshots` writes them anew.
@Suite struct HelpSnapshotTests {
  static let tools = [
    "train-tokenizer", "tokenize", "detokenize", "rearrange-codebook", "cluster-codebook", "relabel-tokens",
    "train-ar", "train-fine", "sample", "score-tokens", "show-file", "eval-metrics", "import-weights",
    "perturb-tokens", "linear-probe", "attention-maps", "import-tokens", "export-tokens", "export-weights",
  ]

  @Test(arguments: tools) func helpIsAsItWas(tool: String) throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Snapshots/\(tool).txt")
    let help = try ToolProcess.run(tool, ["--help"], environment: ["COLUMNS": "80"]).text
    if ProcessInfo.processInfo.environment["TESSERA_WRITE_SNAPSHOTS"] == "1" {
      try Data(help.utf8).write(to: file)
    }
    let expected = try String(contentsOf: file, encoding: .utf8)
    let difference = zip(help.split(separator: "\n"), expected.split(separator: "\n")).first { $0 != $1 }
    #expect(
      help == expected,
      "\(tool) --help: found '\(difference?.0 ?? "")', expected '\(difference?.1 ?? "")'; 'make snapshots' takes it over"
    )
  }
}
