import Foundation
import Images
import Testing
import TestSupport

/// Which images detokenize decodes. The shared tokens are of 60 images, 20 a class.
@Suite struct SelectionTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  /// The pictures that a selection gives, in the order of the tokens.
  private func pictures(_ selection: String...) throws -> [RGBImage] {
    let target = folder.path("pictures" + selection.joined())
    try succeed(
      "detokenize", ["--tokenizer", files.tokenizer, files.tokens, "--folder", target] + selection)
    return try FileManager.default.subpathsOfDirectory(atPath: target).filter { $0.hasSuffix(".png") }
      .sorted { ($0 as NSString).lastPathComponent < ($1 as NSString).lastPathComponent }
      .map { try ImageDecoder.decode(contentsOf: target + "/" + $0) }
  }

  /// Equal but for rounding, which the batch may change.
  private func isSame(_ one: RGBImage, _ other: RGBImage) -> Bool {
    zip(one.pixels, other.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 1 }
  }

  @Test func everyNthAndAtMost() throws {
    let all = try pictures()
    #expect(all.count == 60)
    let some = try pictures("--every", "7", "--limit", "5")
    #expect(some.count == 5)
    for (place, picture) in some.enumerated() { #expect(isSame(picture, all[7 * place]), "place \(place)") }
  }

  @Test func heldOutImagesAreThoseOfTheSeed() throws {
    let all = try pictures()
    let held = try pictures("--held-out", "0.1")
    #expect(held.count == 6)
    let places = held.map { picture in all.indices.filter { isSame(all[$0], picture) } }
    #expect(places.allSatisfy { !$0.isEmpty }, "each is one of all")
    #expect(try pictures("--held-out", "0.1", "--split-seed", "1") != held)
  }

  @Test func originalsMustBeTheImagesOfTheTokens() throws {
    try writeImages(to: folder.path("fewer"), classes: 3, perClass: 19)
    let result = try ToolProcess.run(
      "detokenize",
      [
        "--tokenizer", files.tokenizer, files.tokens, "--grid", folder.path("sheet.png"), "--originals",
        folder.path("fewer"),
      ])
    expectRefusal(result, "detokenize", 65, folder.path("fewer"), "expected the 60 images", "found 57")
    #expect(folder.names == ["fewer"])
  }

  @Test(arguments: [["--held-out", "1"], ["--every", "0"], ["--limit", "0"], ["--held-out", "nan"]])
  func selectionsOutOfRange(_ selection: [String]) throws {
    let result = try ToolProcess.run("detokenize", ["no", "--tokenizer", "no", "--grid", "g"] + selection)
    expectRefusal(result, "detokenize", 64, selection[0])
  }
}
