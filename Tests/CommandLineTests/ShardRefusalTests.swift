import Foundation
import StreamFormat
import Testing
import TestSupport

/// Shards that are not all there, and numbers that are none.
@Suite struct ShardRefusalTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func shards() throws -> [[UInt8]] {
    try (1...3).map {
      let path = folder.path("s\($0)")
      try succeed(
        "sample",
        ["--model", files.model, "--count", "6", "--shard", "\($0)/3", "-o", path] + SharedFiles.repeatable)
      return try bytes(path)
    }
  }

  @Test func everyReaderRefusesWhatIsNotWhole() throws {
    let parts = try shards()
    let wrong: [(order: [Int], words: [String])] = [
      ([0, 2], ["record 1 at byte", "expected shard 2 of 3", "found shard 3 of 3"]),
      ([0, 1], ["byte ", "expected shard 3 of 3", "found the end of the file"]),
      (
        [1, 2], ["record 1 at byte", "expected shard 1 of 3 before shard 2 of 3", "found no part before it"]
      ),
      ([0, 1, 1, 2], ["record 2 at byte", "expected shard 3 of 3", "found shard 2 of 3"]),
      ([1, 0, 2], ["record 1 at byte", "expected shard 1 of 3 before shard 2 of 3"]),
      ([0, 2, 1], ["record 1 at byte", "expected shard 2 of 3", "found shard 3 of 3"]),
    ]
    let readers = [
      ("detokenize", ["--tokenizer", files.rearranged, "--grid", "grid"]),
      ("score-tokens", ["--model", files.model]),
      ("relabel-tokens", ["--mapping", files.mapping, "--inverse", "-o", "relabelled"]),
      ("perturb-tokens", ["--tokenizer", files.rearranged, "--code-distance", "1", "-o", "far"]),
      ("train-ar", ["-o", "model", "--steps", "1"] + SharedFiles.modelSizes),
      ("export-tokens", ["--codes", "codes.npy"]),
    ]
    for (place, (order, words)) in wrong.enumerated() {
      let file = try write(order.flatMap { parts[$0] }, "joined", in: folder)
      // All of them read by one reader: one mistake for each tool, and each mistake for some tool.
      for (tool, options) in place == 0 ? readers : [readers[place]] {
        let result = try ToolProcess.run(tool, [file] + options, in: folder.url)
        expectRefusal(result, tool, 65, "\(file): ", "shard mismatch", "try: cat the files of all shards")
        for word in words { #expect(result.errors.contains(word), "\(tool): \(result.errors)") }
      }
    }
    #expect(Set(folder.names) == ["s1", "s2", "s3", "joined"])
  }

  @Test func oneShardIsReadAndNamed() throws {
    _ = try shards()
    let result = try succeed("score-tokens", [folder.path("s2"), "--model", files.model])
    #expect(result.errors.contains("s2: shard 2 of 3 alone, which begins at item 2 of 6"), "\(result.errors)")
    let quiet = try succeed("score-tokens", [folder.path("s2"), "--model", files.model, "--quiet"])
    #expect(quiet.errors == "")
    let shown = try succeed("show-file", [folder.path("s2")])
    #expect(shown.text.contains(#"shard: {"count":3,"first":2,"number":2,"total":6}"#), "\(shown.text)")
  }

  @Test func aShardOfAShardIsRefused() throws {
    _ = try shards()
    let (file, shard) = (folder.path("s2"), ["--shard", "1/2"])
    for (tool, options) in [
      ("score-tokens", ["--model", files.model]),
      ("detokenize", ["--tokenizer", files.rearranged, "--folder", "pictures"]),
      ("perturb-tokens", ["--tokenizer", files.rearranged, "--code-distance", "1", "-o", "far"]),
    ] {
      let result = try ToolProcess.run(tool, [file] + options + shard, in: folder.url)
      expectRefusal(result, tool, 65, "s2: expected all shards", "found shard 2 of 3 alone", "try: cat")
    }
    let metrics = ["--tokenizer", files.rearranged, "--network", "tokenizer", "--write-features", "f"]
    let result = try ToolProcess.run("eval-metrics", ["--samples", file] + metrics + shard, in: folder.url)
    expectRefusal(result, "eval-metrics", 65, "expected all shards")
  }

  /// Each tool with options that are otherwise complete; no file of these exists.
  private static let tools = [
    "tokenize no --tokenizer no -o out", "sample --model no -o out",
    "detokenize no --tokenizer no --folder out",
    "score-tokens no --model no", "perturb-tokens no --tokenizer no --code-distance 1 -o out",
    "eval-metrics --samples no --network pixels --write-features out",
  ]

  @Test(arguments: tools) func numbersThatAreNoneAreUsageErrors(line: String) throws {
    let words = line.split(separator: " ").map(String.init)
    for (shard, hint) in [
      ("4/3", "i from 1 to n"), ("-1/3", "i from 1 to n"), ("0/3", "i from 1 to n"), ("0/0", "i from 1 to n"),
      ("a/b", "i from 1 to n"),
      ("3", "i from 1 to n"), ("", "i from 1 to n"), ("slurm", "SLURM_ARRAY_TASK_ID"),
    ] {
      let result = try ToolProcess.run(
        words[0], Array(words.dropFirst()) + ["--shard", shard], in: folder.url)
      expectRefusal(result, words[0], 64, hint)
    }
    #expect(folder.names == [])
  }

  @Test func whatCannotBeInPartsIsAUsageError() throws {
    for line in [
      "detokenize no --tokenizer no --grid out --shard 1/2",
      "detokenize no --tokenizer no --npz out --shard 1/2",
      "eval-metrics --samples no --network pixels --write-statistics out --shard 1/2",
      "eval-metrics --samples no --reference no --shard 1/2", "score-tokens no --merge --model no",
      "score-tokens no --merge --shard 1/2",
      "eval-metrics --reference no --samples no --held-out 0.2",
      "eval-metrics --reference no --samples no --nearest-count 3",
      "eval-metrics --reference no --samples no --enlarge 2", "sample --model no --count 99999999999",
      "sample --model no --count 0", "import-tokens Tests --labels Tests --tokenizer no",
    ] {
      let words = line.split(separator: " ").map(String.init)
      let result = try ToolProcess.run(words[0], Array(words.dropFirst()), in: folder.url)
      expectRefusal(result, words[0], 64, "Usage: \(words[0])")
    }
    #expect(folder.names == [])
  }

  @Test func aForgedTotalAsksForNoMemory() throws {
    var forged = try tokenBatch(files.relabelled)
    forged.shard = Shard(number: 1, count: 2, first: 0, total: 1 << 48)
    let file = try write(file(of: [forged.record()]), "forged", in: folder)
    let result = try ToolProcess.run("score-tokens", [file, "--model", files.model, "--held-out", "0.1"])
    expectRefusal(
      result, "score-tokens", 1, "memory: expected a need of at most", "the places of all shards' images")
  }

  @Test func aSlurmArrayIsAListOfShards() throws {
    var joined: [UInt8] = []
    for task in 0..<3 {
      let result = try ToolProcess.run(
        "sample", ["--model", files.model, "--count", "6", "--shard", "slurm"] + SharedFiles.repeatable,
        environment: [
          "SLURM_ARRAY_TASK_ID": "\(task)", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "0",
        ])
      #expect(result.status == 0, "\(result.errors)")
      joined += result.output
    }
    #expect(try joined == shards().flatMap { $0 })
  }
}
