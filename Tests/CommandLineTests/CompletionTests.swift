import Foundation
import Images
import StreamFormat
import Testing
import TestSupport

/// Completion: what is kept comes back bit for bit, what is drawn is drawn as always, and the sheet shows both.
@Suite struct CompletionTests {
  private let files: SharedFiles
  private let coarse: CoarseToFineFiles
  private let folder = try! TemporaryFolder()

  init() throws { (files, coarse) = (try SharedFiles.get(), try CoarseToFineFiles.get()) }

  private func completed(_ arguments: [String]) throws -> (batch: TokenBatch, errors: String) {
    let result = try succeed(
      "sample", arguments + ["-o", folder.path("out")] + SharedFiles.repeatable, in: folder.url)
    return (try tokenBatch(folder.path("out")), result.errors)
  }

  /// The first six images of a token file.
  private func few(_ tokens: String, _ name: String = "few.tokens.zst") throws -> String {
    let batch = try tokenBatch(tokens)
    let sink = MemorySink()
    let writer = TokenWriter(RecordWriter(sink), header: batch.header)
    let images = [0, 25, 41, 3, 58, 22]
    try writer.write(
      TokenBatch(
        header: batch.header, tokens: images.flatMap { Array(batch.tokens(image: $0)) },
        labels: images.map { batch.labels[$0] }))
    try writer.finish()
    return try write(sink.bytes, name, in: folder)
  }

  /// Places of the 8 x 8 grid that a mask covers.
  private static let masks: [(options: [String], covers: @Sendable (Int, Int) -> Bool, warns: Bool)] = [
    ([], { row, _ in row >= 4 }, false), (["--mask", "6:8,:"], { row, _ in row >= 6 }, false),
    (["--mask", "2:4,1:3+:,7:"], { (2..<4).contains($0) && (1..<3).contains($1) || $1 == 7 }, true),
  ]

  @Test(arguments: 0..<3) func keptTokensComeBack(number: Int) throws {
    let mask = Self.masks[number]
    let keep = try few(files.relabelled)
    let given = try tokenBatch(keep)
    let (batch, errors) = try completed(
      ["--model", files.model, "--keep", keep, "--fillings", "3"] + mask.options)
    #expect(batch.count == 18 && batch.labels == given.labels.flatMap { [$0, $0, $0] })
    #expect(errors.contains("without seeing the kept ones") == mask.warns, "\(errors)")
    var differing = 0
    for image in 0..<18 {
      let (found, source) = (Array(batch.tokens(image: image)), Array(given.tokens(image: image / 3)))
      for place in 0..<64 {
        if !mask.covers(place / 8, place % 8) { #expect(found[place] == source[place]) }
        if found[place] != source[place] { differing += 1 }
      }
    }
    #expect(differing > 0, "nothing was drawn")
  }

  /// Where nothing is kept, the images are those of the same classes and seed.
  @Test func aMaskOfAllIsSampling() throws {
    let keep = try few(files.relabelled)
    let (batch, _) = try completed([
      "--model", files.model, "--keep", keep, "--mask", ":,:", "--guidance", "2",
    ])
    let labels = try tokenBatch(keep).labels.map { "\($0)\n" }.joined()
    _ = try write(Array(labels.utf8), "labels", in: folder)
    let (plain, _) = try completed([
      "--model", files.model, "--labels", folder.path("labels"), "--guidance", "2",
    ])
    #expect(batch.tokens == plain.tokens && batch.labels == plain.labels)
  }

  /// Both stages: fine codes outside of the mask are the given ones, the coarse tokens there are their labels.
  @Test func bothStagesKeep() throws {
    let keep = try few(files.tokens)
    let given = try tokenBatch(keep)
    let coarseFile = folder.path("coarse")
    let (batch, _) = try completed(
      ["--model", coarse.coarse, "--fine", coarse.fine, "--keep", keep, "--coarse-output", coarseFile])
    let labels = try tokenBatch(coarseFile)
    for image in 0..<6 {
      let source = Array(given.tokens(image: image))
      #expect(Array(batch.tokens(image: image)).prefix(32) == source.prefix(32))
      #expect(
        Array(labels.tokens(image: image)).prefix(32)
          == source.prefix(32).map { UInt32(CoarseToFineFiles.labels[Int($0)]) }[...])
    }
    #expect(batch.tokens != given.tokens)
    // The second stage alone, from coarse tokens of the same images.
    try succeed(
      "relabel-tokens",
      [keep, "--mapping", coarse.mapping, "-o", folder.path("of-given")] + SharedFiles.repeatable)
    let (refilled, _) = try completed(
      ["--fine", coarse.fine, "--coarse-tokens", folder.path("of-given"), "--keep", keep, "--mask", "0:2,:"])
    for image in 0..<6 {
      #expect(Array(refilled.tokens(image: image)).suffix(48) == Array(given.tokens(image: image)).suffix(48))
    }
    // The same images, of other classes.
    var other = given
    other.labels[2] = (other.labels[2] + 1) % 3
    let path = try write(file(of: [other.record()]), "other", in: folder)
    let refused = try ToolProcess.run(
      "sample",
      ["--fine", coarse.fine, "--coarse-tokens", folder.path("of-given"), "--keep", path, "-o", "out"],
      in: folder.url)
    expectRefusal(refused, "sample", 65, "expected class \(given.labels[2]) for image 2 of")
  }

  @Test func theSheetShowsGivenCoveredAndCompleted() throws {
    let keep = try few(files.tokens)
    try succeed("train-ar", [files.tokens, "--steps", "1", "-o", folder.path("m")] + SharedFiles.modelSizes)
    let (batch, _) = try completed(["--model", folder.path("m"), "--keep", keep, "--mask", "4:6,0:4"])
    try succeed(
      "detokenize",
      [
        folder.path("out"), "--tokenizer", files.tokenizer, "--given", keep, "--mask", "4:6,0:4", "--grid",
        folder.path("sheet.png"), "--columns", "6",
      ])
    let sheet = try ImageDecoder.decode(bytes(folder.path("sheet.png")), name: "sheet")
    #expect(batch.count == 6)
    // Three rows of six images of 16 x 16 pixels; between them and around them lies the padding.
    let padding = (sheet.width - 6 * 16) / 7
    #expect(sheet.height == 3 * 16 + 4 * padding)
    func pixel(_ row: Int, _ column: Int, _ x: Int, _ y: Int) -> [UInt8] {
      let place = (padding + row * (16 + padding) + y) * sheet.width + padding + column * (16 + padding) + x
      return Array(sheet.pixels[place * 3..<place * 3 + 3])
    }
    for column in 0..<6 {
      for y in 0..<16 {
        for x in 0..<16 {
          let isCovered = (8..<12).contains(y) && x < 8
          #expect(pixel(1, column, x, y) == (isCovered ? [128, 128, 128] : pixel(0, column, x, y)))
        }
      }
    }
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let keep = try few(files.relabelled)
    let start = ["--model", files.model, "--keep", keep]
    let cases: [([String], Int32, String)] = [
      (start + ["--mask", "7:9,:"], 64, "expected rows up to 8"),
      (start + ["--mask", "3"], 64, "expected ROWS,COLUMNS, each FIRST:END"),
      (start + ["--mask", "5:5,:"], 64, "--mask"),
      (start + ["--count", "3"], 64, "--keep has a class for each image"),
      (["--model", files.model, "--mask", ":,:"], 64, "--mask goes with --keep"),
      (["--model", files.model, "--fillings", "2"], 64, "--fillings goes with"),
      (["--model", files.model, "--keep", files.tokens], 65, "expected codes of codebook"),
    ]
    for (arguments, status, words) in cases {
      let result = try ToolProcess.run("sample", arguments + ["-o", folder.path("no")], timeout: 30)
      #expect(result.status == status && result.errors.contains(words), "\(arguments): \(result.errors)")
    }
    // Coarse tokens of other images than those that are kept.
    let fine = try few(files.tokens, "fine.tokens.zst")
    let other = try ToolProcess.run(
      "sample",
      [
        "--fine", coarse.fine, "--coarse-tokens", coarse.coarseSamples, "--keep", fine, "-o",
        folder.path("no"),
      ])
    expectRefusal(other, "sample", 65, "expected", "found", "try:")
    let own = try write(bytes(files.samples), "own.zst", in: folder)
    let mismatched = try ToolProcess.run(
      "detokenize",
      [own, "--tokenizer", files.rearranged, "--given", keep, "--grid", folder.path("no")], timeout: 30)
    expectRefusal(mismatched, "detokenize", 65, "expected the kept tokens of image 0", "try:")
    let sheet = ["--tokenizer", files.tokenizer, "--grid", folder.path("no"), "--given", keep]
    expectRefusal(
      try ToolProcess.run("detokenize", [files.tokens] + sheet, timeout: 30), "detokenize", 65, "expected")
    #expect(!FileManager.default.fileExists(atPath: folder.path("no")))
  }
}
