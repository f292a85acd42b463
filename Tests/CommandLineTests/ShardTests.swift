import Foundation
import StreamFormat
import Testing
import TestSupport

/// The outputs of shards, concatenated, are item for item the output of one run, at any number of shards.
@Suite struct ShardTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()
  /// One, fewer than there are images, and more: inputs here have nine.
  private static let counts = [1, 3, 8, 11]

  init() throws { files = try SharedFiles.get() }

  /// Nine images of three classes, and the list of them that `tokenize` reads.
  private func list(also extra: [String] = []) throws -> [UInt8] {
    let images = ["a", "b", "c"].flatMap { name in
      (0..<3).map { "\(files.images)/\(name)/0\($0).png\t\(name)" }
    }
    return Array(([images[0]] + extra + images[1...]).joined(separator: "\n").utf8)
  }

  /// A token file of nine images with two views.
  private func nineImages() throws -> String {
    let path = folder.path("nine")
    try run("tokenize", ["-", "--tokenizer", files.tokenizer, "--views", "flip", "-o", path], input: list())
    return path
  }

  @discardableResult
  private func run(_ tool: String, _ arguments: [String], input: [UInt8] = []) throws -> ToolProcess.Result {
    let result = try ToolProcess.run(
      tool, arguments + SharedFiles.repeatable + ["--quiet"], input: input, in: folder.url)
    #expect(result.status == 0, "\(tool) \(arguments): \(result.errors)")
    return result
  }

  /// Runs a tool for each shard, and gives the files in order.
  private func shards(
    of count: Int, _ tool: String, _ arguments: [String], output: String = "-o", input: [UInt8] = []
  ) throws -> [[UInt8]] {
    try (1...count).map { number in
      let path = folder.path("shard-\(number)")
      try run(tool, arguments + ["--shard", "\(number)/\(count)", output, path], input: input)
      return try bytes(path)
    }
  }

  private func batch(_ bytes: [UInt8]) throws -> TokenBatch {
    try TokenReader(RecordReader(MemorySource(bytes, name: "joined"))).readAll()
  }

  /// Checks shards of each count against one run, and that one shard of one is the very file of a run without shards.
  private func expectWhole(_ tool: String, _ arguments: [String], input: [UInt8] = []) throws {
    try run(tool, arguments + ["-o", folder.path("whole")], input: input)
    let whole = try bytes(folder.path("whole"))
    for count in Self.counts {
      let parts = try shards(of: count, tool, arguments, input: input)
      #expect(try batch(parts.flatMap { $0 }) == batch(whole), "\(tool) in \(count)")
      if count == 1 { #expect(parts == [whole], "\(tool) in 1") }
      // Each is a file of its own, and a second run writes the same.
      let alone = try parts.map { try batch($0) }
      #expect(count == 1 || alone.map(\.shard?.number) == Array(1...count))
      #expect(alone.map(\.header).allSatisfy { $0 == alone[0].header })
      let again = arguments + ["--shard", "\(count)/\(count)", "-o", folder.path("again")]
      try run(tool, again, input: input)
      #expect(try bytes(folder.path("again")) == parts[count - 1], "\(tool) in \(count)")
    }
  }

  // MARK: Tools that write tokens

  @Test(arguments: ["1", "4"]) func tokenize(batchSize: String) throws {
    let options = ["-", "--tokenizer", files.tokenizer, "--views", "flip", "--batch-size", batchSize]
    try expectWhole("tokenize", options, input: list())
    let crops = [files.images, "--tokenizer", files.tokenizer, "--batch-size", batchSize]
    try expectWhole("tokenize", crops + ["--views", "random-crop", "--view-count", "2", "--seed", "3"])
  }

  @Test func skippedImagesKeepTheirPlaces() throws {
    let bad = folder.path("bad.png")
    try Data("no picture".utf8).write(to: URL(filePath: bad))
    let options = ["-", "--tokenizer", files.tokenizer, "--batch-size", "1", "--skip-unreadable"]
    let input = try list(also: [bad + "\ta", bad + "\ta"])
    try expectWhole("tokenize", options, input: input)
    let parts = try shards(of: 11, "tokenize", options, input: input)
    #expect(try parts.map { try batch($0).count } == [1, 0, 0] + [Int](repeating: 1, count: 8))
    // The split of a shard by itself is the part of the whole's: the listed images decide it.
    let whole = try batch(parts.flatMap { $0 })
    #expect(try batch(parts[4]).wholeListedPlaces == [4] && whole.listedPlaces[2] == 4)
  }

  @Test(arguments: [
    ["--count", "9", "--batch-size", "2"], ["--count", "9", "--random-classes", "--seed", "5"],
    ["--per-class", "3", "--batch-size", "4", "--guidance", "2"], ["--per-class", "5", "--classes", "2,0"],
    ["--labels", "-", "--top-k", "4", "--precision", "bfloat16"],
  ]) func sample(options: [String]) throws {
    // The last label means no class, which adds a class to the header of all shards.
    let labels = Array("0\n1\n2\n0\n1\n2\n0\n1\n3\n".utf8)
    try expectWhole("sample", ["--model", files.model] + options, input: labels)
  }

  @Test func sampleInTwoStages() throws {
    let coarse = try CoarseToFineFiles.get()
    try expectWhole(
      "sample", ["--model", coarse.coarse, "--fine", coarse.fine, "--count", "9", "--batch-size", "2"])
    let second = ["--fine", coarse.fine, "--fillings", "2", "--coarse-tokens", coarse.coarseSamples]
    try expectWhole("sample", second + ["--batch-size", "5"])
    // The coarse tokens on the way are shards too.
    let first = ["--model", coarse.coarse, "--fine", coarse.fine, "--count", "9", "-o", "fine"]
    let between = try shards(of: 3, "sample", first, output: "--coarse-output").flatMap { $0 }
    #expect(try batch(between) == tokenBatch(coarse.coarseSamples))
  }

  @Test func completedImages() throws {
    try run("relabel-tokens", [try nineImages(), "--mapping", files.mapping, "-o", folder.path("given")])
    try expectWhole(
      "sample",
      ["--model", files.model, "--keep", folder.path("given"), "--mask", "0:4,:", "--fillings", "2"])
  }

  @Test func perturbTokens() throws {
    let options = ["--code-distance", "2", "--tokenizer", files.tokenizer, "--share", "0.4", "--seed", "9"]
    try expectWhole("perturb-tokens", [try nineImages()] + options)
    // A file that is one shard keeps the random numbers of the whole.
    try run("perturb-tokens", [folder.path("nine")] + options + ["-o", folder.path("whole")])
    let tokenize = ["-", "--tokenizer", files.tokenizer, "--views", "flip", "--batch-size", "1"]
    var joined: [UInt8] = []
    for part in try shards(of: 3, "tokenize", tokenize, input: list()) {
      try Data(part).write(to: URL(filePath: folder.path("one")))
      try run("perturb-tokens", [folder.path("one")] + options + ["-o", folder.path("perturbed")])
      joined += try bytes(folder.path("perturbed"))
    }
    #expect(try batch(joined) == tokenBatch(folder.path("whole")))
  }

  /// The random numbers and the places of skipped images are those of the whole, also in a file of several records.
  @Test func perturbTokensAroundSkippedImages() throws {
    let bad = folder.path("bad.png")
    try Data("no picture".utf8).write(to: URL(filePath: bad))
    let tokenize = ["-", "--tokenizer", files.tokenizer, "--skip-unreadable", "-o", folder.path("skipping")]
    try run("tokenize", tokenize, input: list(also: [bad + "\ta", bad + "\ta"]))
    #expect(try tokenBatch(folder.path("skipping")).skipped == [1, 2])
    let options = ["--code-distance", "1", "--tokenizer", files.tokenizer, "--share", "0.5", "--seed", "3"]
    try expectWhole("perturb-tokens", [folder.path("skipping")] + options)
    try expectWhole("perturb-tokens", [try manyImages()] + options)
  }

  /// A token file of three records, of whose images some were skipped.
  private func manyImages() throws -> String {
    let few = try tokenBatch(files.tokens)
    let perImage = few.header.tokensPerView
    let all = TokenBatch(
      header: few.header,
      tokens: (0..<2195 * perImage).map { few.tokens[$0 % few.tokens.count] },
      labels: (0..<2195).map { few.labels[$0 % few.count] }, skipped: [3, 1024, 1500, 2047, 2048])
    let records = [0..<1024, 1024..<2048, 2048..<2200].map { all.part($0).record() }
    return try write(file(of: records), "many", in: folder)
  }

  @Test func relabelledShardsStayShards() throws {
    let options = ["-", "--tokenizer", files.tokenizer, "--batch-size", "1"]
    var joined: [[UInt8]] = []
    for part in try shards(of: 3, "tokenize", options, input: list()) {
      joined.append(try run("relabel-tokens", ["-", "--mapping", files.mapping], input: part).output)
    }
    try run("tokenize", options + ["-o", folder.path("whole")], input: list())
    try run("relabel-tokens", [folder.path("whole"), "--mapping", files.mapping, "-o", folder.path("r")])
    #expect(try batch(joined.flatMap { $0 }) == tokenBatch(folder.path("r")))
    let swapped = try ToolProcess.run("show-file", ["-"], input: joined[1] + joined[0] + joined[2])
    #expect(swapped.status == 65 && swapped.errors.contains("shard mismatch"))
  }

  // MARK: Tools that write something else

  /// The lines of `score-tokens` for each shard, and what `--merge` makes of them.
  private func scores(_ arguments: [String], in count: Int) throws -> (lines: [String], merged: String) {
    let lines = try (1...count).map {
      try run("score-tokens", arguments + ["--shard", "\($0)/\(count)"]).text
    }
    let merged = try run("score-tokens", ["-", "--merge"], input: Array(lines.joined().utf8)).text
    return (lines, merged)
  }

  @Test func scoresAddUp() throws {
    let coarse = try CoarseToFineFiles.get()
    let held = ["--held-out", "0.15"]
    for arguments in [
      [files.relabelled, "--model", files.model, "--batch-size", "1"] + held,
      [files.relabelled, "--model", files.model, "--batch-size", "7"],
      [files.tokens, "--model", coarse.coarse, "--fine", coarse.fine, "--batch-size", "2"] + held,
    ] {
      let whole = try run("score-tokens", arguments).text
      for count in Self.counts {
        #expect(try scores(arguments, in: count).merged == whole, "\(arguments) in \(count)")
      }
    }
  }

  @Test func logitsAddUp() throws {
    let arguments = [files.relabelled, "--model", files.model, "--batch-size", "2", "--held-out", "0.15"]
    try run("score-tokens", arguments + ["--logits", folder.path("whole")])
    let whole = try rows(of: "logits", bytes(folder.path("whole")))
    for count in Self.counts {
      let parts = try shards(of: count, "score-tokens", arguments, output: "--logits")
      #expect(try rows(of: "logits", parts.flatMap { $0 }) == whole, "in \(count)")
    }
  }

  @Test(arguments: ["missing", "doubled", "swapped", "alone", "other", "twice"]) func otherScoresAreRefused(
    what: String
  ) throws {
    let arguments = [files.relabelled, "--model", files.model, "--held-out", "0.15", "--batch-size", "2"]
    var (lines, merged) = try scores(arguments, in: 3)
    switch what {
    case "missing": lines.remove(at: 1)
    case "doubled": lines.insert(lines[1], at: 1)
    case "swapped": lines.swapAt(0, 1)
    case "alone": lines = [lines[1]]
    case "twice": lines += lines
    default: lines[2] = merged
    }
    let result = try ToolProcess.run("score-tokens", ["-", "--merge"], input: Array(lines.joined().utf8))
    expectRefusal(result, "score-tokens", 65, "-: ", "expected", "found", "try:")
  }

  /// One shard was scored by another model, or otherwise: the sums would add up, and mean nothing.
  @Test(arguments: [
    "model", "view", "precision", "batch_size", "cluster_size", "held_out", "split_seed", "tokens",
    "class_names",
    "mapping",
  ])
  func shardsOfOtherScoringsAreRefused(what: String) throws {
    let arguments = [files.relabelled, "--model", files.model, "--held-out", "0.15", "--batch-size", "2"]
    var lines = try scores(arguments, in: 3).lines
    var line = try #require(JSONSerialization.jsonObject(with: Data(lines[1].utf8)) as? [String: Any])
    var setting = try #require(line["scored_with"] as? [String: Any])
    #expect((setting["model"] as? String)?.count == 64 && setting["precision"] as? String == "float32")
    setting[what] = "another"
    line["scored_with"] = setting
    lines[1] = String(decoding: try JSONSerialization.data(withJSONObject: line), as: UTF8.self) + "\n"
    let result = try ToolProcess.run("score-tokens", ["-", "--merge"], input: Array(lines.joined().utf8))
    expectRefusal(result, "score-tokens", 65, "-: line 2: expected \(what) ", "found \(what) \"another\"")
  }

  /// Another seed of the split; the weights of a model whose classes have other names; tokens of other labels.
  @Test func shardsThatWereScoredOtherwiseAreRefused() throws {
    var model = try #require(try RecordReader(MemorySource(bytes(files.model), name: "model")).next())
    let names: [String] = try model.jsonMetadata("class_names")
    model.metadata["class_names"] = String(
      decoding: try JSONEncoder().encode(Array(names.reversed())), as: UTF8.self)
    let sink = MemorySink()
    let models = RecordWriter(sink)
    try models.write(model)
    try models.finish()
    _ = try write(sink.bytes, "other.zst", in: folder)
    var tokens = try tokenBatch(files.relabelled)
    tokens.labels.reverse()
    let second = MemorySink()
    let writer = TokenWriter(RecordWriter(second), header: tokens.header)
    try writer.write(tokens)
    try writer.finish()
    _ = try write(second.bytes, "swapped.zst", in: folder)
    let common = ["--held-out", "0.15", "--batch-size", "2"]
    func line(_ tokens: String, _ model: String, _ shard: String, _ more: [String] = []) throws -> String {
      try run("score-tokens", [tokens, "--model", model, "--shard", shard] + common + more).text
    }
    let first = try line(files.relabelled, files.model, "1/2")
    for (what, second) in [
      ("split_seed", try line(files.relabelled, files.model, "2/2", ["--split-seed", "7"])),
      ("model", try line(files.relabelled, folder.path("other.zst"), "2/2")),
      ("tokens", try line(folder.path("swapped.zst"), files.model, "2/2")),
    ] {
      let result = try ToolProcess.run("score-tokens", ["-", "--merge"], input: Array((first + second).utf8))
      expectRefusal(
        result, "score-tokens", 65, "-: line 2: expected \(what) ", "as in line 1; found \(what) ")
    }
  }

  /// Numbers that do not go together, or that no run has printed.
  @Test func editedLinesAreRefused() throws {
    let arguments = [files.relabelled, "--model", files.model, "--held-out", "0.15", "--batch-size", "2"]
    let lines = try scores(arguments, in: 2).lines
    func refused(_ second: String) throws {
      let result = try ToolProcess.run(
        "score-tokens", ["-", "--merge"], input: Array((lines[0] + second).utf8))
      expectRefusal(result, "score-tokens", 65, "-: line 2: expected the summary of a shard", "try:")
    }
    func edited(_ change: (inout [String: Any], inout [String: Any]) -> Void) throws -> String {
      var line = try #require(JSONSerialization.jsonObject(with: Data(lines[1].utf8)) as? [String: Any])
      var sums = try #require(line["sums"] as? [String: Any])
      change(&line, &sums)
      line["sums"] = sums
      return String(decoding: try JSONSerialization.data(withJSONObject: line), as: UTF8.self) + "\n"
    }
    // As it is, a line comes back.
    let same = try edited { _, _ in }
    let merged = try ToolProcess.run("score-tokens", ["-", "--merge"], input: Array((lines[0] + same).utf8))
    #expect(merged.status == 0, "\(merged.errors)")
    try refused(edited { line, _ in line["loss"] = 1.5 })
    try refused(edited { _, sums in sums["loss"] = ["count": 64, "sum": [1.7e308]] })
    try refused(
      edited { line, sums in (line["loss"], sums["loss"]) = (1.7e308, ["count": 1, "sum": [1.7e308]]) })
    try refused(edited { _, sums in sums["shard"] = sums["loss"] })
    try refused(String(lines[1].dropLast(2)) + ",\"images\":1}\n")
    // Lines that older programs have printed say nothing of what they are of.
    let older = try lines.map { line in
      var fields = try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      fields["scored_with"] = nil
      return String(decoding: try JSONSerialization.data(withJSONObject: fields), as: UTF8.self) + "\n"
    }
    let warned = try ToolProcess.run("score-tokens", ["-", "--merge"], input: Array(older.joined().utf8))
    #expect(warned.status == 0 && warned.text == merged.text && warned.errors.contains("no line says"))
    for option in [
      ["--held-out", "0.1"], ["--view", "0"], ["--precision", "bfloat16"], ["--split-seed", "1"],
    ] {
      let result = try ToolProcess.run(
        "score-tokens", ["-", "--merge"] + option, input: Array(lines.joined().utf8))
      expectRefusal(result, "score-tokens", 64, "--merge adds up scores")
    }
  }

  /// The bytes of a tensor in all records, and its shape without the rows.
  private func rows(of name: String, _ bytes: [UInt8]) throws -> (shapes: Set<[Int]>, bytes: [UInt8]) {
    let reader = RecordReader(MemorySource(bytes, name: "joined"))
    var (shapes, all): (Set<[Int]>, [UInt8]) = ([], [])
    while let record = try reader.next() {
      let tensor = try record.tensor(name)
      shapes.insert(Array(tensor.shape.dropFirst()))
      all += tensor.bytes
    }
    return (shapes, all)
  }

  @Test(arguments: ["tokenizer", "pixels"]) func features(network: String) throws {
    let arguments = [
      "--reference", try nineImages(), "--tokenizer", files.tokenizer, "--network", network, "--batch-size",
      "2",
    ]
    try run("eval-metrics", arguments + ["--write-features", folder.path("whole")])
    let whole = try bytes(folder.path("whole"))
    for count in Self.counts {
      let joined = try shards(of: count, "eval-metrics", arguments, output: "--write-features").flatMap { $0 }
      for name in ["features", "pixels_sha256"] {
        #expect(try rows(of: name, joined) == rows(of: name, whole), "\(name) in \(count)")
      }
      // Shards without images do not disturb a metric.
      try Data(joined).write(to: URL(filePath: folder.path("joined")))
      let metrics = ["--samples", folder.path("whole"), "--metrics", "fid,kid", "--json"]
      let texts = try ["joined", "whole"].map {
        try run("eval-metrics", ["--reference", folder.path($0)] + metrics).text
          .replacing("joined", with: "whole")
      }
      #expect(texts[0] == texts[1])
    }
  }

  @Test func picturesHaveTheNumbersOfTheWhole() throws {
    let arguments = [try nineImages(), "--tokenizer", files.tokenizer, "--batch-size", "2"]
    try run("detokenize", arguments + ["--folder", "whole"])
    let names = try pictures(of: "whole")
    #expect(names.count == 9 && names.keys.contains("c/000008.png"))
    for count in Self.counts {
      var joined: [String: [UInt8]] = [:]
      for number in 1...count {
        let folder = "part-\(number)-of-\(count)"
        try run("detokenize", arguments + ["--folder", folder, "--shard", "\(number)/\(count)"])
        try joined.merge(pictures(of: folder)) { _, _ in [] }
      }
      #expect(joined == names, "in \(count)")
    }
  }

  private func pictures(of name: String) throws -> [String: [UInt8]] {
    let paths = try FileManager.default.subpathsOfDirectory(atPath: folder.path(name))
    return try Dictionary(
      uniqueKeysWithValues: paths.filter { $0.hasSuffix(".png") }.map {
        ($0, try bytes(folder.path("\(name)/\($0)")))
      })
  }
}
