import ForeignFiles
import Foundation
import Images
import StreamFormat
import Testing
import TestSupport

/// The same images give the same tokens, whether they are in a folder, an archive, an array or a table.
@Suite struct ImagesWhereTheyLieTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func run(_ line: String) throws -> ToolProcess.Result {
    try ToolProcess.shell(
      line, environment: ["IMAGES": files.images, "TOKENIZER": files.tokenizer, "TOKENS": files.tokens],
      in: folder.url, timeout: 60)
  }

  private func tokens(_ input: String) throws -> [UInt8] {
    let result = try run(
      "\(input) --tokenizer $TOKENIZER --no-provenance --quiet -o out && cat out && rm out")
    #expect(result.status == 0, "\(input): \(result.errors)")
    return result.output
  }

  @Test func tokensAreTheSame() throws {
    let expected = try tokens("tokenize $IMAGES")
    #expect(try run("tar cf top.tar -C $IMAGES/.. images && tar cf flat.tar -C $IMAGES .").status == 0)
    try writeZip("images.zip", prefix: "images/")
    try writeTable("images.csv")
    for input in [
      "tokenize top.tar", "tokenize flat.tar", "tokenize images.zip", "tokenize images.csv",
      "cat top.tar | tokenize -", "tokenize - < images.zip",
      "find $IMAGES -name '*.png' | LC_ALL=C sort | tokenize -",
    ] {
      #expect(try tokens(input) == expected, "\(input)")
    }
  }

  @Test func arraysGiveTheSameTokensWithNumberedClasses() throws {
    let images = try listed()
    let sink = MemorySink()
    let writer = try NumPyArchiveWriter(sink)
    let side = images[0].image.width
    try writer.begin("arr_0", NumPyHeader(.uint8, [images.count, side, side, 3]))
    for image in images { try image.image.pixels.withUnsafeBytes { try writer.write($0) } }
    try writer.begin("arr_1", NumPyHeader(.int64, [images.count]))
    for image in images { try withUnsafeBytes(of: Int64(image.label)) { try writer.write($0) } }
    try writer.finish()
    try Data(sink.bytes).write(to: folder.url.appending(path: "images.npz"))
    let expected = try TokenBatch(record(try tokens("tokenize $IMAGES")))
    let found = try TokenBatch(record(try tokens("tokenize images.npz --classes 7")))
    #expect(found.tokens == expected.tokens && found.labels == expected.labels)
    #expect(found.header.classNames == (0..<7).map(String.init))
  }

  @Test func trainingAndMetricsReadArchives() throws {
    #expect(try run("tar cf images.tar -C $IMAGES .").status == 0)
    let train =
      "train-tokenizer SOURCE \(SharedFiles.tokenizerSizes.joined(separator: " ")) --steps 2 --batch-size 4 "
      + "--threads 2 --no-provenance --quiet -o OUT"
    for (source, out) in [("$IMAGES", "a"), ("images.tar", "b")] {
      let line = train.replacing("SOURCE", with: source).replacing("OUT", with: out)
      let result = try run(line)
      #expect(result.status == 0, "\(result.errors)")
    }
    #expect(try bytes(folder.path("a")) == bytes(folder.path("b")))
    let metrics = try run(
      "eval-metrics --reference $IMAGES --samples images.tar --network pixels --pairs --json")
    #expect(
      metrics.status == 0 && metrics.text.contains(#""psnr":"inf""#), "\(metrics.text) \(metrics.errors)")
    // Standard input is called by another name in messages than on the command line.
    let piped = try run(
      "eval-metrics --reference - --samples $IMAGES --network pixels --pairs --json < images.tar")
    #expect(piped.status == 0 && piped.text.contains(#""psnr":"inf""#), "\(piped.text) \(piped.errors)")
    let sheet = try run(
      "detokenize $TOKENS --tokenizer $TOKENIZER --originals images.tar --grid g.png --quiet")
    #expect(sheet.status == 0, "\(sheet.errors)")
  }

  @Test func otherFilesAreRefused() throws {
    for (line, status, words) in [
      ("printf '\\1\\2\\3' > x; tokenize x", 66, "expected a folder of images, a zip or tar archive"),
      ("tokenize $TOKENS", 66, "expected a folder of images, a zip or tar archive"),
      ("tar cf a.tar -T /dev/null; tokenize a.tar", 65, "a.tar: no image found"),
      (": > x; tokenize x", 65, "x: expected images; found an empty file"),
      ("tar czf a.tgz -C $IMAGES .; tokenize a.tgz", 65, "found gzip; try: zcat FILE | tokenize -"),
      ("tar cjf a.tbz -C $IMAGES .; tokenize a.tbz", 65, "found bzip2; try: bzcat FILE | tokenize -"),
      ("tokenize missing.tar", 66, "missing.tar: not found"),
      ("tokenize $IMAGES --classes 0", 64, "--classes must be"),
      ("tar cf a.tar -C $IMAGES . && head -c 9000 a.tar > cut.tar; tokenize cut.tar", 65, "cut.tar: "),
      ("tar cf a.tar -C $IMAGES . && tokenize a.tar -o a.tar", 64, "expected"),
      ("printf 'x.png,a\\n' > t.csv; tokenize t.csv", 66, "x.png: not found"),
      ("printf 'x.png\\n' > t.csv; tokenize t.csv", 65, "t.csv, line 1"),
      ("printf garbage > a/b/x.npz; printf garbage > x.npz; tokenize x.npz", 65, "x.npz: "),
    ] as [(String, Int32, String)] {
      let result = try run(line + " --tokenizer $TOKENIZER" + (line.contains(" -o ") ? "" : " -o out"))
      #expect(
        result.status == status && result.errors.contains(words), "\(line): \(result.status) \(result.errors)"
      )
      #expect(!folder.names.contains("out"))
    }
  }

  // MARK: What the images are

  private func listed() throws -> [(path: String, label: Int, name: String, image: RGBImage)] {
    let listing = try ImageFolder.list(files.images)
    return try listing.entries.map {
      (
        $0.name, $0.label, listing.classNames[$0.label],
        try ImageDecoder.decode($0.source, options: DecodingOptions())
      )
    }
  }

  private func record(_ bytes: [UInt8]) throws -> Record {
    try #require(try RecordReader(MemorySource(bytes)).next())
  }

  private func writeZip(_ name: String, prefix: String) throws {
    let sink = MemorySink()
    let writer = try ArchiveWriter(sink)
    // In another order than that of a folder.
    for image in try listed().reversed() {
      let content = try bytes(image.path)
      try writer.begin(prefix + image.path.dropFirst(files.images.count + 1), size: content.count)
      try content.withUnsafeBytes { try writer.write($0) }
    }
    try writer.finish()
    try Data(sink.bytes).write(to: folder.url.appending(path: name))
  }

  private func writeTable(_ name: String) throws {
    let rows = try listed().map { "\"\($0.path)\",\($0.name)\n" }
    try Data(("path,label\n" + rows.joined()).utf8).write(to: folder.url.appending(path: name))
  }
}
