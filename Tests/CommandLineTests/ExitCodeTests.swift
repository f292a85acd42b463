import Foundation
import Testing
import TestSupport

/// What every tool does alike: help, version, usage errors, quiet, JSON and logs.
@Suite struct MannersTests {
  private static let tools = [
    "train-tokenizer", "tokenize", "detokenize", "rearrange-codebook", "cluster-codebook", "relabel-tokens",
    "train-ar", "train-fine", "sample", "score-tokens", "show-file", "eval-metrics", "import-weights",
    "perturb-tokens", "linear-probe", "attention-maps",
  ]

  @Test(arguments: tools) func helpHasAnExampleAndTheCommonOptions(tool: String) throws {
    let help = try ToolProcess.run(tool, ["--help"])
    #expect(help.status == 0 && help.errors == "")
    let lines = help.text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.first?.hasPrefix("OVERVIEW: ") == true)
    let example = try #require(lines.firstIndex(of: "Example:"))
    #expect(lines[example + 1].hasPrefix("  \(tool) ") || lines[example + 1].contains("| \(tool) "))
    let end = try #require(lines[example...].firstIndex(of: ""))
    #expect(lines[(example + 1)..<end].contains { $0.contains(".zst") })
    // Copied as it stands, it is one command for a shell.
    #expect(
      lines[(example + 1)..<(end - 1)].allSatisfy { $0.hasSuffix(" \\") } && !lines[end - 1].hasSuffix("\\"))
    #expect(help.text.contains("USAGE: \(tool) "))
    for option in ["quiet", "json", "log <file>", "seed", "threads", "force", "no-provenance", "version"] {
      #expect(help.text.contains("--\(option)"), "\(option)")
    }
    // A Swift expression as a default is no help to anybody.
    #expect(!help.text.contains("(path:"))
  }

  @Test(arguments: tools) func versionNamesTheLibrariesInUse(tool: String) throws {
    let version = try ToolProcess.run(tool, ["--version"])
    let lines = version.text.split(separator: "\n")
    #expect(version.status == 0 && version.errors == "")
    #expect(lines.first?.hasPrefix("\(tool) (Tessera) ") == true)
    #expect(lines.contains { $0.hasPrefix("OpenBLAS ") } && lines.contains { $0.contains("oneDNN") })
    #expect(lines.contains { $0.hasPrefix("kernels for ") })
  }

  @Test(arguments: tools) func noArgumentsIsAUsageError(tool: String) throws {
    let result = try ToolProcess.run(tool, [])
    expectRefusal(result, tool, 64, "Usage: \(tool)", "See '\(tool) --help'.")
  }

  /// Words after the tool's name; no file of these exists, so that 64 and not 66 shows the order of the checks.
  @Test(arguments: [
    "train-tokenizer no -o out --unknown", "train-tokenizer no", "train-tokenizer no -o - --json",
    "train-tokenizer no -o out --model VQ-9", "train-tokenizer no -o out --multipliers 1,x",
    "train-tokenizer no -o out --size 33 --model CPU-4", "train-tokenizer no -o out --groups 7 --model CPU-4",
    "train-tokenizer no -o out --commitment nan", "train-tokenizer no -o out --dead-code-end 1e300",
    "train-tokenizer no -o out --views five", "train-tokenizer no -o out --background red",
    "train-tokenizer no -o out --ten-crop-ratio 0.5", "train-tokenizer no -o out --reconstruction l3",
    "tokenize no", "tokenize - --tokenizer -", "tokenize no --tokenizer no --batch-size 0",
    "tokenize no --tokenizer no --json", "tokenize no --tokenizer no --size 0",
    "detokenize no --tokenizer no", "detokenize no --tokenizer no --grid - --npz -",
    "detokenize no --tokenizer no --grid g --columns 2 --row-per-class",
    "detokenize no --tokenizer no --folder f --originals o",
    "detokenize no --tokenizer no --grid g --enlarge 33", "detokenize no --tokenizer no --grid - --json",
    "detokenize no --tokenizer no --grid g --limit 0", "rearrange-codebook no",
    "rearrange-codebook no -o o --start best",
    "rearrange-codebook no -o o --cluster-size 0", "rearrange-codebook no -o - --mapping -",
    "relabel-tokens no",
    "relabel-tokens - --mapping -", "train-ar no", "train-ar no -o o --heads 0", "train-ar no -o o --heads 5",
    "train-ar no -o o --steps 0", "train-ar no -o o --learning-rate nan",
    "train-ar no -o o --learning-rate inf",
    "train-ar no -o o --weight-decay inf", "train-ar no -o o --cluster-weight nan",
    "train-ar no -o o --dropout 1",
    "train-ar no -o o --held-out 1", "train-ar no -o o --ema 1", "train-ar no -o o --beta2 1",
    "train-ar no -o o --batch-size 10 --gradient-accumulation 3", "train-ar no -o o --schedule steep",
    "train-ar no -o o --threads 0", "train-ar no -o o --seed -1", "train-ar no -o o --log -",
    "sample --count 4",
    "sample --model no --count 4 --per-class 2", "sample --model no --count 0",
    "sample --model no --classes 1,x",
    "sample --model no --labels l --classes 1", "sample --model no --top-p 0",
    "sample --model no --temperature nan",
    "sample --model no --guidance inf", "sample --model no --guidance-from 0.6 --guidance-to 0.5",
    "sample --model no --guidance-power nan", "sample --model no --json", "score-tokens no",
    "score-tokens no --model no --logits -", "score-tokens - --model -",
    "score-tokens no --model no --held-out 1",
    "score-tokens no --model no --view=-1", "relabel-tokens no --mapping no extra",
  ]) func mistakenOptionsAreUsageErrors(line: String) throws {
    let words = line.split(separator: " ").map(String.init)
    let folder = try TemporaryFolder()
    let result = try ToolProcess.run(words[0], Array(words.dropFirst()), in: folder.url, timeout: 20)
    expectRefusal(result, words[0], 64, "Usage: \(words[0])")
    #expect(folder.names == [], "a usage error leaves no file")
  }

  @Test func quietSilencesAndJSONIsOneObject() throws {
    let files = try SharedFiles.get()
    let folder = try TemporaryFolder()
    for (tool, arguments) in runs(files, folder) {
      let result = try ToolProcess.run(tool, arguments + ["--quiet", "--json"])
      #expect(result.status == 0 && result.errors == "", "\(tool): \(result.errors)")
      #expect(result.output.last == UInt8(ascii: "\n") && result.text.split(separator: "\n").count == 1)
      let object = try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Any]
      #expect(object?.isEmpty == false, "\(tool)")
    }
  }

  @Test func progressGoesToStandardErrorAndLogsAreLinesOfJSON() throws {
    let files = try SharedFiles.get()
    let folder = try TemporaryFolder()
    for (tool, arguments) in runs(files, folder) {
      let log = folder.path("\(tool).log")
      let result = try ToolProcess.run(tool, arguments + ["--log", log])
      #expect(result.status == 0)
      if tool != "score-tokens" {
        #expect(result.text == "" && result.errors.hasPrefix("\(tool): "), "\(tool)")
      }
      let lines = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n")
      let objects = try lines.map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
      #expect(!objects.contains { $0 == nil } && objects.last??["summary"] != nil, "\(tool)")
      if tool.hasPrefix("train") {
        let steps = objects.compactMap { $0?["loss"] == nil ? nil : $0?["step"] as? Int }
        #expect(steps == [1, 2, 3])
      }
    }
  }

  private func runs(_ files: SharedFiles, _ folder: TemporaryFolder) -> [(String, [String])] {
    let steps = ["--steps", "3", "--batch-size", "4"]
    return [
      ("train-tokenizer", [files.images, "-o", folder.path("t")] + SharedFiles.tokenizerSizes + steps),
      ("tokenize", ["--tokenizer", files.tokenizer, files.images, "-o", folder.path("k")]),
      ("rearrange-codebook", [files.tokenizer, "--cluster-size", "4", "-o", folder.path("r")]),
      ("cluster-codebook", [files.tokenizer, "--clusters", "4", "-o", folder.path("c")]),
      ("relabel-tokens", ["--mapping", files.mapping, files.tokens, "-o", folder.path("l")]),
      ("train-ar", [files.relabelled, "-o", folder.path("m")] + SharedFiles.modelSizes + steps),
      ("sample", ["--model", files.model, "--count", "2", "-o", folder.path("s")]),
      ("score-tokens", ["--model", files.model, files.relabelled]),
      ("detokenize", ["--tokenizer", files.rearranged, files.samples, "--grid", folder.path("g")]),
    ]
  }
}
