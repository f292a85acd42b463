import ForeignFiles
import Foundation
import Images
import StreamFormat
import Testing
import TestSupport

/// Decoded images at the size of an evaluation.
@Suite struct ResizeTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func detokenize(_ arguments: String...) throws -> ToolProcess.Result {
    try ToolProcess.run(
      "detokenize", [files.samples, "--tokenizer", files.rearranged, "--quiet"] + arguments, in: folder.url)
  }

  @Test func picturesHaveTheSizeThatWasAskedFor() throws {
    #expect(try detokenize("--resize", "12", "--folder", "p", "--npz", "a.npz", "--limit", "3").status == 0)
    for entry in try ImageFolder.list(folder.path("p")).entries {
      let image = try ImageDecoder.decode(entry.source, options: DecodingOptions())
      #expect(image.width == 12 && image.height == 12)
    }
    let archive = try NumPyArchive(MappedFile(bytes(folder.path("a.npz")), name: "a.npz"))
    #expect(archive.arrays["arr_0"]?.shape == [3, 12, 12, 3])
  }

  @Test func theTokenizersOwnSizeChangesNothing() throws {
    #expect(try detokenize("--grid", "a.png").status == 0)
    #expect(try detokenize("--grid", "b.png", "--resize", "16").status == 0)
    let (a, b) = try (bytes(folder.path("a.png")), bytes(folder.path("b.png")))
    #expect(try ImageDecoder.decode(a, name: "a") == ImageDecoder.decode(b, name: "b"))
  }

  @Test(arguments: [
    ["--resize", "0", "--grid", "a"], ["--resize", "16385", "--grid", "a"],
    ["--resize", "8", "--given", "x", "--grid", "a"],
  ]) func otherSizesAreRefused(arguments: [String]) throws {
    let result = try ToolProcess.run(
      "detokenize", [files.samples, "--tokenizer", files.rearranged] + arguments, in: folder.url)
    #expect(result.status == 64 && result.errors.contains("--resize"), "\(result.errors)")
  }
}
