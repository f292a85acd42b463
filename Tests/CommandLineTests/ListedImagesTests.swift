import Foundation
import Images
import StreamFormat
import Testing
import TestSupport

/// Which images a tool reads, holds out and passes over.
@Suite struct ListedImagesTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func damage(_ path: String) throws {
    try Data(bytes(path).dropLast(30)).write(to: URL(filePath: path))
  }

  private func tokenize(_ output: String, _ more: String...) throws -> ToolProcess.Result {
    try succeed(
      "tokenize", ["--tokenizer", files.tokenizer, "images", "-o", output, "--no-provenance"] + more,
      in: folder.url)
  }

  @Test func skippingAnImageMovesNoOther() throws {
    // A class an image, so that the folders of the held-out images tell which they are.
    try writeImages(to: folder.path("images"), classes: 24, perClass: 1)
    _ = try tokenize("whole")
    let whole = try heldOut(of: "whole")
    #expect(whole.count == 12)
    for name in ["a", "h", "x"] { try damage(folder.path("images/" + name + "/00.png")) }
    _ = try tokenize("some", "--skip-unreadable")
    let batch = try tokenBatch(folder.path("some"))
    #expect(batch.skipped == [0, 7, 23] && batch.count == 21)
    #expect(try heldOut(of: "some") == whole.subtracting(["a", "h", "x"]))
    // Tools that copy tokens keep the places.
    try succeed("relabel-tokens", ["--mapping", files.mapping, "some", "-o", "re"], in: folder.url)
    #expect(try tokenBatch(folder.path("re")).skipped == batch.skipped)
    try succeed(
      "perturb-tokens",
      ["--code-distance", "1", "--tokenizer", files.tokenizer, "some", "-o", "near"], in: folder.url)
    #expect(try tokenBatch(folder.path("near")).skipped == batch.skipped)
  }

  /// The classes of the images that a token file's split holds out.
  private func heldOut(of tokens: String) throws -> Set<String> {
    try succeed(
      "detokenize",
      [
        "--tokenizer", files.tokenizer, tokens, "--folder", tokens + ".f", "--held-out", "0.5",
        "--split-seed", "3",
      ], in: folder.url)
    return Set(try FileManager.default.contentsOfDirectory(atPath: folder.path(tokens + ".f")))
  }

  @Test func originalsStandAboveTheirOwnReconstructions() throws {
    try writeImages(to: folder.path("images"), classes: 2, perClass: 4)
    try damage(folder.path("images/a/00.png"))
    _ = try tokenize("some", "--skip-unreadable")
    try succeed(
      "detokenize",
      ["--tokenizer", files.tokenizer, "some", "--originals", "images", "--grid", "g.png", "--columns", "7"],
      in: folder.url)
    let sheet = try ImageDecoder.decode(contentsOf: folder.path("g.png"))
    let first = try ImageDecoder.decode(contentsOf: folder.path("images/a/01.png"))
    #expect(sheet.cropped(x: 2, y: 2, width: 16, height: 16) == first)
  }

  @Test func otherFormatsAreSaid() throws {
    try writeImages(to: folder.path("images"), classes: 1, perClass: 2)
    for name in ["x.webp", "y.gif"] {
      try Data([1]).write(to: folder.url.appending(path: "images/a/" + name))
    }
    let result = try tokenize("t", "--quiet", "--json")
    #expect(result.errors.contains("found 2 of other formats, passed over: 1 .gif, 1 .webp"))
    #expect(result.text.contains(#""passed_over":2"#))
  }

  @Test func aListMayHaveZeros() throws {
    let names = try ImageFolder.list(files.images).entries.map(\.name)
    let list = Array(names.joined(separator: "\0").utf8) + [0]
    let result = try ToolProcess.run(
      "tokenize", ["--tokenizer", files.tokenizer, "-", "-o", folder.path("t"), "--no-provenance"],
      input: list)
    #expect(result.status == 0, "\(result.errors)")
    #expect(try bytes(folder.path("t")) == bytes(files.tokens))
  }

  @Test func whatCannotBeLookedAtIsNoInput() throws {
    try writeImages(to: folder.path("images"), classes: 1, perClass: 2)
    #expect(symlink("nowhere", folder.path("images/b")) == 0)
    let arguments = ["--tokenizer", files.tokenizer, folder.path("images"), "-o", folder.path("out")]
    expectRefusal(try ToolProcess.run("tokenize", arguments), "tokenize", 66, "images/b: not found")
    #expect(unlink(folder.path("images/b")) == 0 && symlink("b", folder.path("images/b")) == 0)
    expectRefusal(try ToolProcess.run("tokenize", arguments), "tokenize", 65, "images/b")
    #expect(unlink(folder.path("images/b")) == 0 && mkfifo(folder.path("images/a/x.png"), 0o600) == 0)
    expectRefusal(
      try ToolProcess.run("tokenize", arguments, timeout: 20), "tokenize", 65, "images/a/x.png", "a pipe")
  }

  @Test func classesNeverLeaveTheFolder() throws {
    var record = try record(files.tokens)
    record.metadata["class_names"] = #"["..",".hidden","a/b"]"#
    let path = try write(file(of: [record]), "dots", in: folder)
    try Data("kept".utf8).write(to: folder.url.appending(path: "000000.png"))
    try succeed("detokenize", ["--tokenizer", files.tokenizer, path, "--folder", folder.path("p/f")])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("p")) == ["f"])
    #expect(try bytes(folder.path("000000.png")) == Array("kept".utf8))
    #expect(try ImageFolder.list(folder.path("p/f")).classNames == ["..", ".hidden", "a/b"])
    record.metadata["class_names"] = #"["a","b","a"]"#
    let twice = try write(file(of: [record]), "twice", in: folder)
    expectRefusal(
      try ToolProcess.run(
        "detokenize", ["--tokenizer", files.tokenizer, twice, "--folder", folder.path("out")]), "detokenize",
      65,
      "another name for every class", "'a' twice")
  }

  // MARK: Pairs

  private func pairs(_ samples: String, _ more: String...) throws -> ToolProcess.Result {
    try ToolProcess.run(
      "eval-metrics", ["--reference", "images", "--samples", samples, "--pairs", "--json"] + more,
      in: folder.url)
  }

  @Test func pairsAreMadeByName() throws {
    try writeImages(to: folder.path("images"), classes: 1, perClass: 12)
    for (copy, name) in [("same", { "\($0).png" }), ("other", { "image \($0).png" })]
      as [(String, (Int) -> String)]
    {
      try FileManager.default.createDirectory(
        atPath: folder.path(copy + "/a"), withIntermediateDirectories: true)
      for index in 0..<12 {
        let source = folder.path(String(format: "images/a/%02d.png", index))
        try FileManager.default.copyItem(atPath: source, toPath: folder.path(copy + "/a/" + name(index)))
      }
    }
    // 1.png, 10.png, 11.png, 2.png: another order than 01.png, 02.png.
    for copy in ["same", "other"] {
      let result = try pairs(copy)
      expectRefusal(result, "eval-metrics", 65, "of the same name", "--pairs-in-order")
    }
    #expect(try pairs("same", "--pairs-in-order").status == 0)
    let equal = try pairs("images")
    #expect(equal.text.contains(#""psnr":"inf""#) && equal.text.contains(#""exact_pairs":12"#))
    // One pair that is not exact has a finite mean by itself.
    try FileManager.default.copyItem(atPath: folder.path("images"), toPath: folder.path("changed"))
    try FileManager.default.removeItem(atPath: folder.path("changed/a/03.png"))
    try FileManager.default.copyItem(
      atPath: folder.path("images/a/04.png"), toPath: folder.path("changed/a/03.png"))
    let changed = try pairs("changed")
    #expect(changed.text.contains(#""exact_pairs":11"#) && !changed.text.contains("inf\""), "\(changed.text)")
    #expect(changed.text.contains("11 of 12 pairs are equal"))
  }

  @Test func whatDetokenizeNumbersIsPairedByOrder() throws {
    try writeImages(to: folder.path("images"), classes: 2, perClass: 3)
    _ = try tokenize("t")
    try succeed("detokenize", ["--tokenizer", files.tokenizer, "t", "--folder", "recon"], in: folder.url)
    #expect(try pairs("recon").status == 0)
  }
}
