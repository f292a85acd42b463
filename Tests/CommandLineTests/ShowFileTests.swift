import Foundation
import StreamFormat
import TensorCore
import Testing
import TestSupport

@Suite struct ShowFileTests {
  private let folder = try! TemporaryFolder()
  private let batch = TokenBatch(
    header: TokenHeader(vocabSize: 9, rows: 1, columns: 3, codebookSHA256: "c0de", classCount: 2),
    tokens: [0, 1, 2, 3, 4, 8], labels: [0, 1])

  private func file(_ records: [Record]) throws -> [UInt8] {
    let sink = MemorySink()
    let writer = RecordWriter(sink)
    for record in records { try writer.write(record) }
    try writer.finish()
    return sink.bytes
  }

  private func write(_ bytes: [UInt8], _ name: String = "a.tokens.zst") throws -> String {
    try Data(bytes).write(to: folder.url.appending(path: name))
    return folder.path(name)
  }

  private func show(_ arguments: String..., input: [UInt8] = []) throws -> ToolProcess.Result {
    try ToolProcess.run("show-file", arguments, input: input)
  }

  @Test func theReportSaysWhatIsThere() throws {
    var second = batch.record()
    second.metadata["config"] = "{}"
    let bytes = try file([batch.record(), second])
    let offset = try #require(bytes.dropFirst(4).firstRange(of: [0x28, 0xB5, 0x2F, 0xFD])).lowerBound
    let result = try show(try write(bytes))
    #expect(result.errors == "" && result.status == 0)
    #expect(
      result.text == """
        record 0 at byte 0: tokens, items: 2
          class_names: []
          codebook_sha256: c0de
          grid: 1x3
          kind: tokens
          layout: raster
          num_classes: 2
          version: 1
          views: ["center"]
          vocab_size: 9
          labels  U32 [2]
          tokens  U16 [2, 1, 3]
        record 1 at byte \(offset): tokens, items: 2
          config: {}
          labels  U32 [2]
          tokens  U16 [2, 1, 3]
        \(folder.path("a.tokens.zst")): records: 2, items: 4
        size: \(bytes.count) bytes
        sha256: \(SHA256Hasher.hex(of: bytes))
        end mark: verified

        """)
  }

  @Test func standardInputIsAFileToo() throws {
    let bytes = try file([batch.record()])
    let named = try show(try write(bytes + bytes))
    let piped = try show("-", input: bytes + bytes)
    #expect(piped.status == 0)
    #expect(named.text.replacing(folder.path("a.tokens.zst"), with: "standard input") == piped.text)
    #expect(piped.text.hasSuffix("end marks: 2 verified (a concatenation)\n"))
  }

  @Test func theJSONReportCanBeRead() throws {
    struct Report: Decodable {
      struct Part: Decodable {
        struct Tensor: Decodable {
          let name: String
          let shape: [Int]
          let type: String
        }
        let items: Int
        let tensors: [Tensor]
      }
      let kind: String
      let items: Int
      let sha256: String
      let records: [Part]
    }
    let bytes = try file([batch.record(), batch.record()])
    let result = try show("--json", try write(bytes))
    let report = try JSONDecoder().decode(Report.self, from: Data(result.output))
    #expect(report.kind == "tokens" && report.items == 4 && report.sha256 == SHA256Hasher.hex(of: bytes))
    #expect(report.records.map(\.items) == [2, 2])
    #expect(report.records[1].tensors[1].name == "tokens" && report.records[1].tensors[1].shape == [2, 1, 3])
    #expect(result.output.filter { $0 == UInt8(ascii: "\n") }.count == 1)
  }

  @Test func valuesArePrintedARowALine() throws {
    let path = try write(file([batch.record()]))
    #expect(try show("--tensor", "tokens", path).text == "# record 0: tokens U16 [2, 1, 3]\n0 1 2\n3 4 8\n")
    #expect(
      try show("--tensor", "tokens", "--limit", "4", path).text
        == "# record 0: tokens U16 [2, 1, 3]\n0 1 2\n3\n# 2 more values\n")
    let json = #"{"name":"labels","record":0,"shape":[2],"type":"U32","values":[0,1]}"# + "\n"
    #expect(try show("--tensor", "labels", "--json", path).text == json)
  }

  @Test func floatsArePrintedSoThatTheyCanBeReadBack() throws {
    let tensor = StoredTensor(name: "x", shape: [4], floats: [0.1, -1.0e-30, .nan, .infinity])
    let path = try write(file([Record(tensors: [tensor])]))
    #expect(try show("--tensor", "x", path).text == "# record 0: x F32 [4]\n0.1 -1e-30 nan inf\n")
    #expect(try show("--tensor", "x", "--json", path).text.contains(#""values":[0.1,-1e-30,"nan","inf"]"#))
  }

  @Test func aMissingTensorIsBadData() throws {
    let result = try show("--tensor", "weights", try write(file([batch.record()])))
    #expect(result.status == 65 && result.errors.contains("found labels, tokens"))
  }

  @Test func provenanceIsShownAsCommands() throws {
    let chain =
      #"[{"tool":"tokenize","version":"1","arguments":["a b","x"],"seed":3,"threads":2,"#
      + #""inputs":[{"name":"t","sha256":"0123456789abcdef"},{"name":"-","sha256":null}]}]"#
    let record = batch.record(metadata: ["provenance": chain])
    let line = "tokenize 'a b' x  # version 1, seed 3, 2 threads  inputs: t=0123456789ab -=unknown\n"
    #expect(try show("--provenance", try write(file([record, record]))).text == line)
  }

  @Test func terminalsAreSafeFromContent() throws {
    let result = try show(try write(file([Record(metadata: ["key": "\u{1B}[2J"])])))
    #expect(!result.output.contains(0x1B) && result.text.contains("key: \u{FFFD}[2J"))
  }

  // MARK: Mistakes

  @Test(arguments: [
    ["--tensor", "x", "--provenance"], ["--limit", "3"], ["--tensor", "x", "--limit", "-1"], ["--unknown"],
    ["--threads", "0"],
  ])
  func usageIsCheckedBeforeFiles(arguments: [String]) throws {
    let result = try ToolProcess.run("show-file", arguments + [folder.path("missing")])
    #expect(result.status == 64 && result.text == "")
    #expect(result.errors.hasPrefix("show-file: ") && result.errors.contains("Usage: show-file"))
  }

  @Test func missingInputsAndFoldersAreSaid() throws {
    let missing = try show(folder.path("missing"))
    #expect(
      missing.status == 66 && missing.errors.hasPrefix("show-file: \(folder.path("missing")): no such file"))
    let directory = try show(folder.url.path)
    #expect(directory.status == 66 && directory.errors.contains("found a folder"))
  }

  @Test func badDataIsSaidWithItsPlace() throws {
    let bytes = try file([batch.record(), batch.record()])
    var flipped = bytes
    flipped[bytes.count / 2] ^= 0x10
    let cases: [(bytes: [UInt8], words: String)] = [
      ([], "empty file"), (bytes.dropLast(36), "missing end mark"), (bytes.dropLast(50), "truncated frame"),
      (flipped, "record "), (Array("text".utf8), "not a tensor file"),
    ]
    for (bytes, words) in cases {
      let path = try write(bytes)
      let result = try show(path)
      #expect(result.status == 65, "\(words)")
      #expect(result.errors.hasPrefix("show-file: \(path): ") && result.errors.contains(words))
      #expect(result.errors.contains("expected") && result.errors.contains("try: "))
    }
  }

  @Test func whatPrecedesTheDamageIsShown() throws {
    let bytes = try file([batch.record(), batch.record()])
    let result = try show(try write(bytes.dropLast(40)))
    #expect(result.status == 65 && result.text.hasPrefix("record 0 at byte 0: tokens, items: 2\n"))
  }

  // MARK: Manners

  @Test func theLogGetsTheSummary() throws {
    let path = try write(file([batch.record()]))
    let result = try show("--json", "--log", folder.path("log"), path)
    let log = try String(contentsOfFile: folder.path("log"), encoding: .utf8)
    #expect(log.hasPrefix("{") && log.hasSuffix("}\n"))
    #expect(log.contains(#""summary":"# + result.text.dropLast()))
    let failed = try show("--log", folder.path("no/log"), path)
    #expect(failed.status == 73 && failed.text == "")
  }

  @Test func helpAndVersionAreProducts() throws {
    let help = try show("--help")
    #expect(help.status == 0 && help.errors == "" && help.text.contains("show-file --tensor labels"))
    let version = try show("--version")
    #expect(version.status == 0 && version.text.hasPrefix("show-file (Tessera) "))
  }

  @Test func aFullDiskIsAnError() throws {
    let path = try write(file([batch.record()]))
    let result = try ToolProcess.shell("show-file '\(path)' > /dev/full")
    #expect(result.status == 74 && result.errors.contains("No space left on device"))
    #expect(try ToolProcess.shell("show-file --help > /dev/full").status == 74)
  }

  @Test func aClosedPipeEndsQuietly() throws {
    let tensor = StoredTensor(name: "x", shape: [100_000, 1], floats: .init(repeating: 1, count: 100_000))
    let path = try write(file([Record(tensors: [tensor])]))
    let result = try ToolProcess.shell("show-file --tensor x '\(path)' | head -n 1")
    #expect(result.status == 141 && result.errors == "" && result.text == "# record 0: x F32 [100000, 1]\n")
  }

  @Test func aTerminalIsNoInput() throws {
    let result = try ToolProcess.shell("script -qec 'show-file -' /dev/null", timeout: 20)
    #expect(result.status == 64 && result.text.contains("found a terminal"))
  }

  @Test func aSignalEndsTheWaitForInput() throws {
    let line = "mkfifo pipe; sleep 20 > pipe & show-file pipe & sleep 0.5; kill -TERM %2; wait %2"
    #expect(try ToolProcess.shell("set -m; \(line)", in: folder.url, timeout: 15).status == 143)
  }

  @Test func aModelCardTellsSizesClassesAndHistory() throws {
    let files = try SharedFiles.get()
    let folder = try TemporaryFolder()
    let train =
      ["train-ar", files.tokens, "--output", "m.zst", "--steps", "2", "--batch-size", "4", "--held-out", "0"]
      + SharedFiles.modelSizes
    let trained = try ToolProcess.run(train[0], Array(train.dropFirst()), in: folder.url)
    #expect(trained.status == 0, "\(trained.errors)")
    let result = try ToolProcess.run("show-file", ["--model-card", "m.zst"], in: folder.url)
    #expect(result.status == 0 && result.errors == "", "\(result.errors)")
    let lines = result.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    #expect(lines[0] == "# m.zst")
    let bytes = try Data(contentsOf: folder.url.appending(path: "m.zst"))
    for line in [
      "| kind | ar-model |", "| `n_layer` | 1 |", "| `vocab_size` | 32 |", "| classes | a, b, c |",
      "| SHA-256 | \(SHA256Hasher.hex(of: [UInt8](bytes))) |", "    " + train.joined(separator: " "),
      "## Settings of `train-ar`, version 0.1.0", "## To be added",
    ] {
      #expect(lines.contains(line), "\(line) in \(result.text)")
    }
    #expect(try show("--model-card", "--json", "x").status == 64)
    #expect(try show("--model-card", "--provenance", "x").status == 64)
  }

  @Test func aModelCardOfAForeignFileEscapesWhatItSays() throws {
    let record = Record(
      metadata: ["kind": "own|kind", "config": "{\"a|b\":\"c\"}"],
      tensors: [StoredTensor(name: "x", shape: [2, 3], floats: [Float](repeating: 1, count: 6))])
    let result = try show("--model-card", "-", input: try file([record]))
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.text.contains("| kind | own\\|kind |\n| numbers | 6 |"), "\(result.text)")
    #expect(result.text.contains("| `a\\|b` | c |") && result.text.contains("The file does not say."))
    let provenance =
      #"[{"tool":"t`<b>","version":"1\n# x","arguments":["\n# own"],"seed":0,"threads":1,"inputs":[{"name":"a`b","sha256":null}],"settings":{"![k](x)":"*v*"}}]"#
    let forged = Record(
      metadata: [
        "kind": "ar-model", "config": "{\"a`b\":1}",
        "class_names":
          #"["![p](http://x/y.png)","a\n# b","__b__","_a b_","~~c~~","www.x.y","d@x.y","\u202eabc","num_classes"]"#,
        "provenance": provenance,
      ], tensors: record.tensors)
    let card = try show("--model-card", "-", input: try file([forged]))
    #expect(card.status == 0, "\(card.errors)")
    for line in [
      "| `a'b` | 1 |",
      #"| classes | !\[p\](http\://x/y.png), a?# b, \_\_b\_\_, \_a b\_, \~\~c\~\~, www\.x.y, d&#64;x.y, ?abc, num_classes |"#
        .replacing("?", with: "\u{FFFD}"),
    ] {
      #expect(card.text.split(separator: "\n").contains { $0 == line }, "\(line) in \(card.text)")
    }
    #expect(!card.text.contains("\n# own") && !card.text.contains("\n# x"), "\(card.text)")
  }
}
