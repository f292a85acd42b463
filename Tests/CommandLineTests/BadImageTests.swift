import Foundation
import Testing
import TestSupport

/// Folders and images that cannot be used.
@Suite struct BadImageTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func commands(_ images: String) -> [(tool: String, arguments: [String])] {
    let training =
      ["-o", folder.path("out"), "--steps", "1", "--batch-size", "2"] + SharedFiles.tokenizerSizes
    return [
      ("tokenize", ["--tokenizer", files.tokenizer, images, "-o", folder.path("out")]),
      ("train-tokenizer", [images] + training),
    ]
  }

  private func expectRefusals(_ images: String, _ status: Int32, _ words: String) throws {
    for (tool, arguments) in commands(images) {
      expectRefusal(try ToolProcess.run(tool, arguments, timeout: 30), tool, status, words)
    }
    #expect(folder.names.filter { $0.hasPrefix("out") } == [])
  }

  @Test func aMissingFolder() throws {
    try expectRefusals(
      folder.path("missing"), 66, "\(folder.path("missing")): not found: expected a folder of images")
  }

  @Test func aFileInPlaceOfAFolder() throws {
    try expectRefusals(files.tokens, 66, "\(files.tokens): expected a folder of images")
  }

  @Test func aFolderWithoutImages() throws {
    try FileManager.default.createDirectory(
      atPath: folder.path("images/a"), withIntermediateDirectories: true)
    try expectRefusals(
      folder.path("images"), 65, "\(folder.path("images")): no image found; expected files ending in .png")
  }

  @Test func anEmptyListOnStandardInput() throws {
    let result = try ToolProcess.run("tokenize", ["--tokenizer", files.tokenizer, "-"])
    expectRefusal(result, "tokenize", 65, "standard input: no image found")
  }

  @Test func imagesSmallerThanTheCrop() throws {
    try writeImages(to: folder.path("images"), classes: 1, perClass: 2, side: 8)
    try expectRefusals(
      folder.path("images"), 65, "images/a/00.png: 8 x 8 pixels; expected at least 16 a side")
    for (tool, arguments) in commands(folder.path("images")) {
      try succeed(tool, arguments + ["--allow-upscale"])
    }
  }

  @Test func anUnreadableImage() throws {
    try writeImages(to: folder.path("images"), classes: 2, perClass: 3)
    let damaged = folder.path("images/b/01.png")
    try Data(bytes(damaged).dropLast(30)).write(to: URL(filePath: damaged))
    try expectRefusals(folder.path("images"), 65, "\(damaged): damaged PNG image: the file ends too early")
    for (tool, arguments) in commands(folder.path("images")) {
      let result = try succeed(tool, arguments + ["--skip-unreadable", "--quiet"])
      #expect(result.errors.contains("\(tool): skipped: \(damaged): damaged PNG image"))
      #expect(result.errors.contains(tool == "tokenize" ? "1 images skipped" : "1 of 6 images skipped"))
    }
    let log = try succeed(
      "tokenize",
      [
        "--tokenizer", files.tokenizer, folder.path("images"), "-o", folder.path("t"), "--skip-unreadable",
        "--json",
      ])
    #expect(log.text.contains(#""images":5"#) && log.text.contains(#""skipped":1"#))
    #expect(try tokenBatch(folder.path("t")).labels == [0, 0, 0, 1, 1])
  }

  /// Images are read on several threads and before their batch is encoded; what is said of them is in their order.
  @Test(arguments: ["1", "2", "3", "64"]) func unreadableImagesAreNamedInOrder(batchSize: String) throws {
    try writeImages(to: folder.path("images"), classes: 2, perClass: 5)
    let damaged = ["a/03.png", "b/00.png", "b/04.png"].map { folder.path("images/\($0)") }
    for path in damaged { try Data(bytes(path).dropLast(30)).write(to: URL(filePath: path)) }
    let arguments = [
      "--tokenizer", files.tokenizer, folder.path("images"), "-o", folder.path("out"), "--quiet",
      "--batch-size", batchSize, "--threads", "3",
    ]
    let refused = try ToolProcess.run("tokenize", arguments)
    expectRefusal(refused, "tokenize", 65, "\(damaged[0]): damaged PNG image")
    #expect(!refused.errors.contains("b/") && !folder.names.contains { $0.hasPrefix("out") })
    let skipping = try succeed("tokenize", arguments + ["--skip-unreadable"])
    let lines = skipping.errors.split(separator: "\n").filter { $0.hasPrefix("tokenize: skipped: ") }
    #expect(lines.count == 3 && zip(lines, damaged).allSatisfy { $0.contains($1) }, "\(skipping.errors)")
    let batch = try tokenBatch(folder.path("out"))
    #expect(batch.skipped == [3, 5, 9] && batch.labels == [0, 0, 0, 0, 1, 1, 1])
  }

  @Test func noImageThatCanBeRead() throws {
    try FileManager.default.createDirectory(
      atPath: folder.path("images/a"), withIntermediateDirectories: true)
    _ = try write(Array("text".utf8), "images/a/0.png", in: folder)
    for (tool, arguments) in commands(folder.path("images")) {
      let result = try ToolProcess.run(tool, arguments + ["--skip-unreadable"])
      expectRefusal(result, tool, 65, "expected a PNG or JPEG image", "found none")
    }
    #expect(folder.names == ["images"])
  }

  @Test func sizesThatTheTokenizerCannotHalve() throws {
    let arguments = ["--tokenizer", files.tokenizer, files.images, "--size", "15"]
    expectRefusal(
      try ToolProcess.run("tokenize", arguments), "tokenize", 65, "--size: expected a multiple of 2",
      "found 15")
  }
}
