import Foundation
import Testing
import TestSupport

/// Every tool that reads image files has the options of how they are decoded.
@Suite struct DecodingTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func copy(_ fixture: String, to place: String) throws {
    let target = folder.url.appending(path: place)
    try FileManager.default.createDirectory(
      at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      at: URL(filePath: Fixture.folder).appending(path: "images/" + fixture), to: target)
  }

  /// The error between two folders of one image, or nil where the tool refuses.
  private func error(_ more: [String] = []) throws -> Double? {
    let result = try ToolProcess.run(
      "eval-metrics", ["--pairs", "--reference", "a", "--samples", "b", "--json"] + more, in: folder.url)
    guard result.status == 0 else {
      #expect(result.status == 65, "\(result.errors)")
      return nil
    }
    let report = try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Any]
    return try #require((report?["metrics"] as? [String: Any])?["mse"] as? Double)
  }

  @Test func evalMetricsDropsAlphaWhereAsked() throws {
    try copy("rgba.png", to: "a/x.png")
    try copy("rgba.expected.png", to: "b/x.png")
    #expect(try error() == 0)
    for options in [["--drop-alpha"], ["--as-llamagen"], ["--background", "000000"]] {
      let result = try ToolProcess.run(
        "eval-metrics", ["--pairs", "--reference", "a", "--samples", "b", "--json"] + options, in: folder.url)
      #expect(result.status == 0 && !result.text.contains(#""mse":0,"#), "\(options): \(result.errors)")
    }
  }

  @Test func evalMetricsLeavesPicturesAsStoredWhereAsked() throws {
    try copy("exif-6.png", to: "a/x.png")
    try copy("exif-6.expected.png", to: "b/x.png")
    let square = ["--size", "16", "--allow-upscale"]
    #expect(try error(square) == 0)
    for option in ["--as-stored", "--as-llamagen"] {
      let stored = try error(square + [option])
      #expect(try #require(stored) > 1, "\(option)")
    }
  }

  @Test func evalMetricsEnlargesWhereAsked() throws {
    try copy("rgb.png", to: "a/x.png")
    try copy("rgb.png", to: "b/x.png")
    #expect(try error(["--size", "13"]) == 0)
    #expect(try error(["--size", "16"]) == nil)
    #expect(try error(["--size", "16", "--allow-upscale"]) == 0)
    let alone = try ToolProcess.run(
      "eval-metrics", ["--pairs", "--reference", "a", "--samples", "b", "--allow-upscale"], in: folder.url)
    expectRefusal(alone, "eval-metrics", 64, "--allow-upscale needs --size")
  }

  @Test func originalsAreDecodedAsTheTokensWere() throws {
    try copy("rgba.png", to: "images/a/x.png")
    let llamaGen = ["--as-llamagen", "--allow-upscale"]
    try succeed(
      "tokenize", ["images", "--tokenizer", files.tokenizer, "-o", "tokens"] + llamaGen, in: folder.url)
    func sheet(_ name: String, _ options: [String]) throws -> ToolProcess.Result {
      try ToolProcess.run(
        "detokenize",
        ["tokens", "--tokenizer", files.tokenizer, "--originals", "images", "--grid", name] + options,
        in: folder.url)
    }
    expectRefusal(try sheet("out", []), "detokenize", 65, "images/a/x.png: 19 x 13 pixels")
    #expect(try sheet("dropped", llamaGen).status == 0)
    #expect(try sheet("white", ["--allow-upscale"]).status == 0)
    #expect(try bytes(folder.path("dropped")) != bytes(folder.path("white")))
  }

  @Test func withoutOriginalsNothingIsDecoded() throws {
    for options in [["--as-stored"], ["--background", "000000"], ["--allow-upscale"]] {
      let result = try ToolProcess.run(
        "detokenize", [files.tokens, "--tokenizer", files.tokenizer, "--grid", "out"] + options,
        in: folder.url)
      expectRefusal(result, "detokenize", 64, "are for --originals")
    }
  }
}
