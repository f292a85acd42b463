import ForeignFiles
import Foundation
import StreamFormat
import Testing
import TestSupport

/// Codes of other programs: each form gives back what was written, and what is damaged is refused with its place
/// (DamagedForeignTokens.swift).
@Suite struct ForeignTokensTests {
  let files: SharedFiles
  let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  @discardableResult func run(_ tool: String, _ arguments: [String]) throws -> ToolProcess.Result {
    try ToolProcess.run(tool, arguments, in: folder.url, timeout: 60)
  }

  /// Imports with the shared tokenizer, and gives the tokens.
  private func imported(_ arguments: [String], _ location: SourceLocation = #_sourceLocation) throws
    -> TokenBatch
  {
    try succeed(
      "import-tokens", arguments + ["--tokenizer", files.tokenizer, "-o", "back.zst"], in: folder.url,
      location: location)
    return try tokenBatch(folder.path("back.zst"))
  }

  private func expectSame(
    _ batch: TokenBatch, _ other: TokenBatch, _ location: SourceLocation = #_sourceLocation
  ) {
    #expect(batch.tokens == other.tokens && batch.labels == other.labels, sourceLocation: location)
    #expect(batch.header.viewNames == other.header.viewNames, sourceLocation: location)
    #expect(batch.header.codebookSHA256 == other.header.codebookSHA256, sourceLocation: location)
    #expect(batch.header.rows == 8 && batch.header.columns == 8, sourceLocation: location)
  }

  /// The shared tokens as LlamaGen's folders.
  func exportFolder(_ tokens: String, _ name: String = "llamagen") throws -> [String] {
    try succeed("export-tokens", [tokens, "--folder", name], in: folder.url)
    return ["\(name)/codes", "--labels", "\(name)/labels"]
  }

  /// The same as `CLASS/INDEX.npy`.
  func exportClasses(_ names: [String]) throws -> TokenBatch {
    _ = try exportFolder(files.tokens)
    let batch = try tokenBatch(files.tokens)
    for (image, label) in batch.labels.enumerated() {
      let place = folder.path("classes/\(names[Int(label)])")
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      try FileManager.default.moveItem(
        atPath: folder.path("llamagen/codes/\(image).npy"), toPath: "\(place)/\(image).npy")
    }
    return batch
  }

  @Test(arguments: [false, true]) func arraysAndFoldersComeBack(ofTwoViews: Bool) throws {
    let tokens = ofTwoViews ? files.views : files.tokens
    let batch = try tokenBatch(tokens)
    try succeed("export-tokens", [tokens, "--codes", "c.npy", "--labels", "l.npy"], in: folder.url)
    let array = try imported(["c.npy", "--labels", "l.npy"])
    expectSame(array, batch)
    #expect(array.header.classCount == 3 && array.header.classNames.isEmpty)
    expectSame(try imported(try exportFolder(tokens) + ["--classes", "3"]), batch)
    let named = try imported([
      "c.npy", "--labels", "l.npy", "--views", ofTwoViews ? "flip" : "center", "--grid", "8x8",
    ])
    expectSame(named, batch)
  }

  @Test func arraysAreWhatNumPyReads() throws {
    try succeed("export-tokens", [files.views, "--codes", "c.npy", "--labels", "l.npy"], in: folder.url)
    let batch = try tokenBatch(files.views)
    let codes = try #require(
      try ForeignWeights(MappedFile(FileSource(path: folder.path("c.npy")))).tensor("array"))
    #expect(codes.elementType == .uint16 && codes.shape == [batch.count, 2, 64])
    #expect(try codes.integers() == batch.tokens.map(Int.init))
    let labels = try #require(
      try ForeignWeights(MappedFile(FileSource(path: folder.path("l.npy")))).tensor("array"))
    #expect(labels.elementType == .int64 && labels.shape == [batch.count])
    #expect(try labels.integers() == batch.labels.map(Int.init))
  }

  /// Folders of numbers are class numbers; others are names. The order is that of the classes, then of the numbers of the
  /// files: 9 before 10.
  @Test(arguments: [["2", "10", "7"], ["bird", "ant", "cow"]]) func classFolders(names: [String]) throws {
    let batch = try exportClasses(names)
    let sorted = names[0] == "2" ? ["2", "7", "10"] : names.sorted()
    func expected(_ back: TokenBatch, inOrder: Bool) {
      #expect(back.header.classCount == (names[0] == "2" ? 11 : 3))
      #expect(back.header.classNames == (names[0] == "2" ? [] : sorted))
      for name in names {
        let label = UInt32(names.firstIndex(of: name)!)
        let number = names[0] == "2" ? UInt32(name)! : UInt32(sorted.firstIndex(of: name)!)
        let own = batch.labels.indices.filter { batch.labels[$0] == label }.map {
          Array(batch.tokens(image: $0))
        }
        let found = back.labels.indices.filter { back.labels[$0] == number }.map {
          Array(back.tokens(image: $0))
        }
        #expect(inOrder ? found == own : Set(found) == Set(own) && found.count == own.count, "\(name)")
      }
    }
    expected(try imported(["classes"]), inOrder: true)
    _ = try ToolProcess.shell("tar cf codes.tar -C classes .", in: folder.url, timeout: 30)
    expected(try imported(["codes.tar"]), inOrder: false)
    expected(try imported(["codes.tar", "--grid", "8x8"]), inOrder: false)
  }

  /// A folder without files is a class too: those after it have the same numbers in the folder as in the archive.
  @Test func aClassMayBeEmpty() throws {
    _ = try exportClasses(["a", "b", "c"])
    _ = try ToolProcess.shell(
      "mv classes/b/* classes/c/ && tar cf codes.tar -C classes .", in: folder.url, timeout: 30)
    // Also where another file stands in it, and the archive has no member for the folder.
    _ = try ToolProcess.shell(
      "touch classes/b/notes && (cd classes && tar cf ../files.tar */*)", in: folder.url, timeout: 30)
    for source in ["classes", "codes.tar", "files.tar"] {
      let batch = try imported([source])
      #expect(batch.header.classNames == ["a", "b", "c"] && Set(batch.labels) == [0, 2], "\(source)")
    }
  }

  @Test func linesOfJSON() throws {
    let batch = try tokenBatch(files.tokens)
    let lines = batch.labels.enumerated().map { image, label in
      "{\"class_id\": \(label), \"label\": \"its name\", \"tokens\": \(Array(batch.tokens(image: image))), \"codes\": null}"
    }
    _ = try write(Array((lines.joined(separator: "\n") + "\n\n").utf8), "lines.jsonl", in: folder)
    expectSame(try imported(["lines.jsonl", "--classes", "3"]), batch)
    let piped = try ToolProcess.shell(
      "import-tokens - --classes 3 --tokenizer '\(files.tokenizer)' < lines.jsonl > piped.zst",
      in: folder.url,
      timeout: 30)
    #expect(piped.status == 0, "\(piped.errors)")
    expectSame(try tokenBatch(folder.path("piped.zst")), batch)
  }

  /// An output that is one of the files of a folder would destroy it.
  @Test func filesOfAFolderAreNotOverwritten() throws {
    _ = try exportClasses(["a", "b", "c"])
    _ = try exportFolder(files.tokens, "pairs")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("soft"), withDestinationPath: folder.path("pairs/codes/0.npy"))
    for (source, output) in [
      (["classes"], "classes/a/0.npy"), (["pairs/codes", "--labels", "pairs/labels"], "pairs/labels/3.npy"),
      (["pairs/codes", "--labels", "pairs/labels"], "soft"),
    ] {
      let before = try bytes(folder.path(output))
      let result = try run(
        "import-tokens", source + ["--classes", "3", "--tokenizer", files.tokenizer, "-o", output])
      #expect(result.status == 64 && result.errors.contains("expected different files"), "\(result.errors)")
      #expect(try bytes(folder.path(output)) == before)
    }
  }

  @Test func exportsThatCannotBe() throws {
    let cases: [([String], String)] = [
      ([files.tokens], "give at least one of"), (["-", "--codes", "c.npy"], "name a file, not '-'"),
      ([files.tokens, "--codes", "-", "--labels", "-"], "one standard output only"),
    ]
    for (arguments, words) in cases {
      expectRefusal(try run("export-tokens", arguments), "export-tokens", 64, words)
    }
    expectRefusal(
      try run("export-tokens", ["missing", "--codes", "c.npy"]), "export-tokens", 66, "missing: no such file")
    let piped = try ToolProcess.shell(
      "cat '\(files.tokens)' | export-tokens - --folder f", in: folder.url, timeout: 30)
    #expect(piped.status == 0 && FileManager.default.fileExists(atPath: folder.path("f/codes/59.npy")))
  }
}
