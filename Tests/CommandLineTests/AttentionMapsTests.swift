import Foundation
import Images
import Testing
import TestSupport

/// `attention-maps`: its sheet, its numbers, and what it refuses.
@Suite struct AttentionMapsTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private struct Summary: Decodable, Equatable {
    struct Layer: Decodable, Equatable {
      let layer: Int
      let mean_distance, class_weight: Double
    }
    let images: Int
    let layers: [Layer]
    let uniform_distance: Double
  }

  private var inputs: [String] { [files.relabelled, "--model", files.model] }

  private func maps(_ arguments: [String]) throws -> ToolProcess.Result {
    try ToolProcess.run("attention-maps", arguments, in: folder.url, timeout: 60)
  }

  private func summary(_ arguments: String...) throws -> Summary {
    let result = try maps(inputs + ["--json"] + arguments)
    #expect(result.status == 0, "\(result.errors)")
    return try JSONDecoder().decode(Summary.self, from: Data(result.output))
  }

  private func sheet(_ arguments: String...) throws -> RGBImage {
    let result = try maps(inputs + ["--tokenizer", files.rearranged, "-o", "maps.png"] + arguments)
    #expect(result.status == 0, "\(result.errors)")
    return try ImageDecoder.decode(contentsOf: folder.path("maps.png"), background: .white)
  }

  @Test func numbersAreMeansOverTheImages() throws {
    let both = try summary("--images", "0,5")
    #expect(both.images == 2 && both.layers.map(\.layer) == [1])
    let single = try [summary("--images", "0"), summary("--images", "5")]
    for value in [\Summary.Layer.mean_distance, \.class_weight] {
      let mean = (single[0].layers[0][keyPath: value] + single[1].layers[0][keyPath: value]) / 2
      #expect(abs(both.layers[0][keyPath: value] - mean) < 1e-6)
    }
    #expect(both.layers[0].mean_distance > 0 && (0..<1).contains(both.layers[0].class_weight))
    let whole = try summary()
    #expect(whole.images == 60 && whole.uniform_distance == both.uniform_distance)
    let inBatches = try summary("--batch-size", "7")
    #expect(abs(inBatches.layers[0].mean_distance - whole.layers[0].mean_distance) < 1e-5)
    #expect(try summary("--limit", "3").images == 3 && summary("--held-out", "0.1").images == 6)
    // The class position's query and key are zero: what the first layer attends to is the same for every class.
    #expect(try summary("--no-class") == whole)
  }

  @Test func sheetsHaveARowForImageLayerAndHead() throws {
    // 16 pixels enlarged 4 times, 2 between; a picture and four positions in a row.
    let mean = try sheet()
    #expect(mean.width == 5 * 66 + 2 && mean.height == 4 * 66 + 2)
    let heads = try sheet(
      "--images", "3,1", "--heads", "all", "--positions", "0,0", "7,7", "2,3", "--enlarge", "2")
    #expect(heads.width == 4 * 34 + 2 && heads.height == 4 * 34 + 2)
    let one = try sheet("--draw", "1", "--heads", "1", "--positions", "4,4", "--layers", "1")
    #expect(one.width == 2 * 66 + 2 && one.height == 66 + 2)
    // The framed cell of row 4, column 4, in the second picture.
    let place = (2 + 4 * 8) * one.width + 2 + 66 + 4 * 8
    #expect(Array(one.pixels[place * 3..<place * 3 + 3]) == [230, 0, 0])
  }

  @Test func sameSettingsSameBytes() throws {
    let arguments = inputs + ["--tokenizer", files.rearranged, "-o", "-"]
    let first = try maps(arguments)
    #expect(first.status == 0 && !first.output.isEmpty)
    #expect(try maps(arguments).output == first.output)
  }

  @Test(arguments: [
    "no", "no --model no", "no --model no -o out", "no --model no --tokenizer no --json",
    "no --model no --tokenizer no -o - --json", "no --model no --json --layers 0",
    "no --model no --json --layers 1,x", "no --model no --json --heads some",
    "no --model no --json --heads 1,1",
    "no --model no --json --positions 3", "no --model no --json --images 0 --held-out 0.1",
    "no --model no --json --held-out 0", "no --model no --json --limit 0",
    "no --model no --json --batch-size 0",
    "no --model no --json --enlarge 33", "- --model - --json",
  ]) func mistakenOptionsAreUsageErrors(line: String) throws {
    let result = try maps(line.split(separator: " ").map(String.init))
    expectRefusal(result, "attention-maps", 64, "Usage: attention-maps")
    #expect(folder.names == [])
  }

  @Test func whatDoesNotFitIsRefused() throws {
    func refuse(_ arguments: [String], _ status: Int32, _ word: String) throws {
      let result = try maps(arguments + ["--tokenizer", files.rearranged, "-o", "out"])
      expectRefusal(result, "attention-maps", status, word)
      #expect(folder.names == [])
    }
    try refuse([files.tokens, "--model", files.model], 65, "expected codes of codebook")
    try refuse(inputs + ["--layers", "2"], 65, "expected a layer 2; found layers 1 to 1")
    try refuse(inputs + ["--heads", "2"], 65, "expected a head 2; found heads 0 to 1")
    try refuse(inputs + ["--positions", "0,8"], 65, "expected a token at 0,8; found a grid of 8x8")
    try refuse(inputs + ["--images", "60"], 65, "expected an image 60; found 60 images")
    try refuse(inputs + ["--view", "1"], 65, "a view 1")
    try refuse([files.relabelled, "--model", "no"], 66, "no")
    try refuse(["no", "--model", files.model], 66, "no")
    let foreign = try maps(inputs + ["--tokenizer", files.tokenizer, "-o", "out"])
    expectRefusal(foreign, "attention-maps", 65, "codebook", files.tokenizer)
  }
}
