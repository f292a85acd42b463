import Foundation
import StreamFormat
import TensorCore
import Testing
import TestSupport

/// Damaged and unfitting tensor files: a clear refusal, never a crash, a hang or a product.
@Suite struct BadFileTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  /// A tool that reads some file: the sound file, and the command line with another in its place.
  struct Reader: Sendable, CustomTestStringConvertible {
    let tool: String
    let file: @Sendable (SharedFiles) -> String
    let arguments: @Sendable (SharedFiles, String) -> [String]
    var testDescription: String { tool }
  }

  static let readers = [
    Reader(tool: "tokenize", file: \.tokenizer) { ["--tokenizer", $1, $0.images, "-o", "out"] },
    Reader(tool: "detokenize", file: \.tokenizer) { ["--tokenizer", $1, $0.tokens, "--grid", "out"] },
    Reader(tool: "detokenize", file: \.tokens) { ["--tokenizer", $0.tokenizer, $1, "--grid", "out"] },
    Reader(tool: "rearrange-codebook", file: \.tokenizer) { _, path in
      [path, "--cluster-size", "4", "-o", "out"]
    },
    Reader(tool: "relabel-tokens", file: \.mapping) { ["--mapping", $1, $0.tokens, "-o", "out"] },
    Reader(tool: "relabel-tokens", file: \.tokens) { ["--mapping", $0.mapping, $1, "-o", "out"] },
    Reader(tool: "train-ar", file: \.relabelled) { _, path in
      [path, "-o", "out", "--steps", "1"] + SharedFiles.modelSizes
    },
    Reader(tool: "sample", file: \.model) { _, path in ["--model", path, "--count", "1", "-o", "out"] },
    Reader(tool: "score-tokens", file: \.model) { ["--model", $1, $0.relabelled, "--logits", "out"] },
    Reader(tool: "score-tokens", file: \.relabelled) { ["--model", $0.model, $1, "--logits", "out"] },
  ]

  private func run(_ reader: Reader, _ path: String) throws -> ToolProcess.Result {
    try ToolProcess.run(reader.tool, reader.arguments(files, path), in: folder.url, timeout: 20)
  }

  private func expectNoProduct(_ location: SourceLocation = #_sourceLocation) {
    #expect(folder.names.filter { $0.hasPrefix("out") } == [], sourceLocation: location)
  }

  @Test(arguments: readers) func missing(reader: Reader) throws {
    let path = folder.path("missing")
    expectRefusal(try run(reader, path), reader.tool, 66, "\(path): no such file", "try:")
    expectRefusal(
      try run(reader, folder.url.path), reader.tool, 66, "expected a file; found a folder", "try:")
    expectNoProduct()
  }

  /// There is something, but nothing that can be read.
  @Test(arguments: readers) func aLoopOfLinks(reader: Reader) throws {
    let loop = folder.path("loop")
    try FileManager.default.createSymbolicLink(atPath: loop, withDestinationPath: "loop")
    expectRefusal(try run(reader, loop), reader.tool, 65, "\(loop): cannot open for reading")
    expectNoProduct()
  }

  @Test(arguments: readers) func truncated(reader: Reader) throws {
    let whole = try bytes(reader.file(files))
    let cases: [(cut: Int, words: String)] = [
      (0, "empty file"), (1, "not a tensor file"), (3, "not a tensor file"), (4, "truncated frame"),
      (7, "truncated frame"),
      (whole.count / 2, "truncated frame"), (whole.count - 37, "truncated frame"),
      (whole.count - 36, "missing end mark"), (whole.count - 1, "truncated frame"),
    ]
    // A model or a mapping is whole without its end mark, as a program that knows of none would write it.
    let needsMark = try record(reader.file(files)).kind() == .tokens
    for (cut, words) in cases where needsMark || words != "missing end mark" {
      let path = try write(Array(whole.prefix(cut)), "cut", in: folder)
      expectRefusal(try run(reader, path), reader.tool, 65, path, words, "expected", "found", "try:")
    }
    expectNoProduct()
  }

  /// Metadata and tensors of all records; nil for a file that is refused.
  private func content(_ file: [UInt8]) -> [[String: [UInt8]]]? {
    let reader = RecordReader(MemorySource(file))
    var records: [[String: [UInt8]]] = []
    do {
      while let record = try reader.next() {
        let tensors = record.tensors.map { ("tensor " + $0.name, $0.bytes) }
        let metadata = record.metadata.map { ("metadata " + $0.key, Array($0.value.utf8)) }
        records.append(Dictionary(uniqueKeysWithValues: tensors + metadata))
      }
    } catch {
      return nil
    }
    return records
  }

  @Test(arguments: readers) func flippedBits(reader: Reader) throws {
    let whole = try bytes(reader.file(files))
    let sound = try #require(self.content(whole))
    var random = CounterRandom(seed: 3, purpose: .test)
    var count = 0
    while count < 10 {
      var flipped = whole
      let (place, bit) = (random.integer(below: whole.count), random.integer(below: 8))
      flipped[place] ^= 1 << UInt8(bit)
      // A few bits of a zstd stream mean nothing to a decoder: what comes out is the same, and so is its checksum.
      if content(flipped) == sound { continue }
      count += 1
      let path = try write(flipped, "flipped", in: folder)
      let result = try run(reader, path)
      #expect(result.status == 65, "byte \(place), bit \(bit): \(result.errors)")
      expectRefusal(result, reader.tool, 65, path, "expected", "found", "try:")
    }
    expectNoProduct()
  }

  @Test(arguments: readers) func absurdSizes(reader: Reader) throws {
    let corpus = URL(filePath: Fixture.folder).deletingLastPathComponent().appending(path: "Corpus")
    let absurd = try FileManager.default.contentsOfDirectory(atPath: corpus.path).filter {
      $0.contains("absurd") || $0.contains("TooLarge") || $0.contains("overflow")
    }
    #expect(absurd.count >= 6)
    for name in absurd {
      let path = corpus.appending(path: name).path
      expectRefusal(try run(reader, path), reader.tool, 65, path, "expected", "found", "try:")
    }
    expectNoProduct()
  }

  /// Sound files whose configuration asks for more memory than any machine has.
  @Test func absurdConfigurations() throws {
    let cases = [
      (files.tokenizer, "ch", "1048576"), (files.tokenizer, "ch_mult", "[1,1048576]"),
      (files.tokenizer, "codebook_size", "1048576"), (files.tokenizer, "num_res_blocks", "1048576"),
      (files.tokenizer, "codebook_embed_dim", "-1"), (files.tokenizer, "z_channels", "1e30"),
      (files.model, "dim", "16777216"), (files.model, "vocab_size", "16777216"),
      (files.model, "n_layer", "16777216"), (files.model, "grid_rows", "16777216"),
      (files.model, "num_classes", "16777216"), (files.model, "multiple_of", "16777216"),
      (files.model, "n_head", "0"), (files.model, "n_layer", "9223372036854775807"),
    ]
    for (source, key, value) in cases {
      var absurd = try record(source)
      let config = try absurd.metadata("config")
      let pattern = try Regex(#""\#(key)":(\[[^\]]*\]|[^,}]*)"#)
      absurd.metadata["config"] = config.replacing(pattern) { _ in "\"\(key)\":\(value)" }
      #expect(absurd.metadata["config"] != config)
      let path = try write(file(of: [absurd]), "absurd", in: folder)
      for reader in Self.readers where reader.file(files) == source {
        expectRefusal(try run(reader, path), reader.tool, 65, path, "expected", "found", "try:")
      }
    }
    expectNoProduct()
  }

  /// Other readers refuse them as sizes, and so does docs/formats.md.
  @Test func sizesThatAreNotWrittenAsIntegers() throws {
    for (source, key, value) in [
      (files.model, "dim", "16.0"), (files.model, "dim", "1.6e1"), (files.model, "n_layer", "1e0"),
      (files.tokenizer, "ch", "8.0"), (files.tokenizer, "ch_mult", "[1,2e0]"),
    ] {
      var other = try record(source)
      let config = try other.metadata("config")
      let pattern = try Regex(#""\#(key)":(\[[^\]]*\]|[^,}]*)"#)
      other.metadata["config"] = config.replacing(pattern) { _ in "\"\(key)\":\(value)" }
      let path = try write(file(of: [other]), "other", in: folder)
      for reader in Self.readers where reader.file(files) == source {
        expectRefusal(
          try run(reader, path), reader.tool, 65, path, "an integer, written with digits only", key)
      }
    }
    // A number with a fraction may be whole, as Python writes it, and the other way round.
    var whole = try record(files.model)
    whole.metadata["config"] = try whole.metadata("config").replacing(/"rope_base":[^,}]*/) { _ in
      "\"rope_base\":1e4"
    }
    let path = try write(file(of: [whole]), "whole", in: folder)
    try succeed("sample", ["--model", path, "--count", "1", "-o", folder.path("drawn")])
  }

  @Test(arguments: readers) func theWrongKindOfFile(reader: Reader) throws {
    let right = reader.file(files)
    for path in [files.tokenizer, files.tokens, files.mapping, files.model] {
      guard try record(path).kind() != record(right).kind() else { continue }
      let kinds = (try record(right).kind().rawValue, try record(path).kind().rawValue)
      expectRefusal(
        try run(reader, path), reader.tool, 65, path, "wrong kind", "expected a file of kind \(kinds.0)",
        "found \(kinds.1)", "try:")
    }
    expectNoProduct()
  }

  // MARK: Files that do not belong together

  @Test func tokensOfAnotherCodebook() throws {
    let other = try write(file(of: [relabelled("codebook_sha256", "0123456789abcdef")]), "other", in: folder)
    for reader in Self.readers where ["detokenize", "relabel-tokens", "score-tokens"].contains(reader.tool) {
      guard try record(reader.file(files)).kind() == .tokens else { continue }
      expectRefusal(
        try run(reader, other), reader.tool, 65, other, "expected codes of codebook",
        "found codebook 0123456789ab",
        "try:")
    }
    expectNoProduct()
  }

  @Test func relabellingTwice() throws {
    let arguments = ["--mapping", files.mapping, files.relabelled, "-o", folder.path("out")]
    expectRefusal(
      try ToolProcess.run("relabel-tokens", arguments), "relabel-tokens", 65, files.relabelled, files.mapping)
    try succeed("relabel-tokens", arguments + ["--inverse", "--no-provenance"])
    #expect(try bytes(folder.path("out")) == bytes(files.tokens), "backward and forward is where it was")
  }

  @Test func aConcatenationOfDifferentTokens() throws {
    let path = try write(bytes(files.tokens) + bytes(files.relabelled), "both", in: folder)
    let result = try ToolProcess.run(
      "relabel-tokens", ["--mapping", files.mapping, path, "-o", folder.path("out")])
    expectRefusal(
      result, "relabel-tokens", 65, path, "record 1 at byte", "codebook_sha256 as in the first record")
    expectNoProduct()
  }

  @Test func aClusterSizeThatDoesNotDivideTheCodes() throws {
    let rearrange = try ToolProcess.run(
      "rearrange-codebook", [files.tokenizer, "--cluster-size", "5", "-o", folder.path("out")])
    expectRefusal(
      rearrange, "rearrange-codebook", 65, files.tokenizer, "expected a multiple of 5 codes; found 32", "try:"
    )
    let train = try ToolProcess.run(
      "train-ar",
      [files.relabelled, "--cluster-size", "5", "-o", folder.path("out")] + SharedFiles.modelSizes)
    expectRefusal(
      train, "train-ar", 65, "--cluster-size: expected a divisor of the 32 codes; found 5", "try:")
    let score = try ToolProcess.run(
      "score-tokens", ["--model", files.model, files.relabelled, "--cluster-size", "5"])
    expectRefusal(score, "score-tokens", 65, "expected a divisor of the 32 codes; found 5")
    expectNoProduct()
  }

  // MARK: Values out of range

  /// The relabelled tokens with another metadata string.
  private func relabelled(_ key: String, _ value: String) throws -> Record {
    var record = try record(files.relabelled)
    record.metadata[key] = value
    return record
  }

  @Test func tokensAndLabelsOutOfRange() throws {
    let sound = try record(files.relabelled)
    let (tokens, labels) = (try sound.tensor("tokens"), try sound.tensor("labels"))
    var wrongTokens = try tokens.integers().map { UInt16($0) }
    wrongTokens[64 * 7 + 3] = 32
    var wrongLabels = try labels.integers().map { UInt32($0) }
    wrongLabels[5] = 3
    let cases = [
      (
        [StoredTensor(name: "tokens", shape: tokens.shape, uint16s: wrongTokens), labels],
        "tokens of item 7 from 0 to 31", "found 32"
      ),
      (
        [tokens, StoredTensor(name: "labels", shape: labels.shape, uint32s: wrongLabels)],
        "labels of item 5 from 0 to 2", "found 3"
      ),
    ]
    for (tensors, expected, found) in cases {
      let wrong = Record(metadata: sound.metadata, tensors: tensors)
      let path = try write(file(of: [wrong]), "wrong", in: folder)
      for reader in Self.readers where try record(reader.file(files)).kind() == .tokens {
        expectRefusal(try run(reader, path), reader.tool, 65, path, expected, found, "try:")
      }
    }
    expectNoProduct()
  }

  @Test func metadataThatCannotBe() throws {
    let cases = [
      ("vocab_size", "0"), ("vocab_size", "-1"), ("vocab_size", "18446744073709551616"), ("grid", "8"),
      ("grid", "8x9"),
      ("grid", "65536x65536"), ("num_classes", "no"), ("views", "[]"), ("class_names", "[\"a\"]"),
      ("layout", "spiral"),
      ("version", "2"), ("kind", "pictures"),
    ]
    for (key, value) in cases {
      let path = try write(file(of: [relabelled(key, value)]), "wrong", in: folder)
      for reader in Self.readers where try record(reader.file(files)).kind() == .tokens {
        expectRefusal(try run(reader, path), reader.tool, 65, path, "expected", "found", "try:")
      }
    }
    expectNoProduct()
  }

  @Test func classesThatTheModelDoesNotHave() throws {
    let result = try ToolProcess.run(
      "sample", ["--model", files.model, "--classes", "9", "-o", folder.path("out")])
    expectRefusal(result, "sample", 65, "expected 0 to 2, or 3 for no class; found 9")
    for (text, words) in [
      ("", "found no line"), ("0\ntwo\n", "line 2: expected a class number; found 'two'"),
    ] {
      let list = try write(Array(text.utf8), "list", in: folder)
      let listed = try ToolProcess.run(
        "sample", ["--model", files.model, "--labels", list, "-o", folder.path("out")])
      expectRefusal(listed, "sample", 65, list, words)
    }
    expectNoProduct()
  }

  /// As editors on Windows write it.
  @Test func labelsWithCarriageReturns() throws {
    let list = try write(Array("2\r\n0\r\n1\r\n".utf8), "list", in: folder)
    try succeed("sample", ["--model", files.model, "--labels", list, "-o", folder.path("s")])
    #expect(try tokenBatch(folder.path("s")).labels == [2, 0, 1])
  }

  @Test func imagesOfNoClassAreImages() throws {
    try succeed(
      "sample", ["--model", files.model, "--classes", "3,0", "--count", "4", "-o", folder.path("s")])
    let batch = try tokenBatch(folder.path("s"))
    #expect(batch.labels == [3, 0, 3, 0] && batch.header.classNames == ["a", "b", "c", "no-class"])
    try succeed(
      "detokenize", ["--tokenizer", files.rearranged, folder.path("s"), "--folder", folder.path("f")])
    #expect(FileManager.default.fileExists(atPath: folder.path("f/no-class/000002.png")))
  }

  @Test func aShareThatHoldsOutNothing() throws {
    let result = try ToolProcess.run(
      "score-tokens", ["--model", files.model, files.relabelled, "--held-out", "0.001"])
    expectRefusal(result, "score-tokens", 65, files.relabelled, "found none of 60", "try: a larger share")
    let training = try ToolProcess.run(
      "train-ar",
      [files.relabelled, "--held-out", "0.9999", "-o", folder.path("out")] + SharedFiles.modelSizes)
    expectRefusal(training, "train-ar", 65, "expected at least 61 images; found 60", "try:")
  }
}
