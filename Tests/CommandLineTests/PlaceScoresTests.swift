import Foundation
import Images
import StreamFormat
import Testing
import TestSupport

/// Scores of single tokens and of single images: they are those of the logits, and add up to the scores of all.
@Suite struct PlaceScoresTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private struct Map {
    var shape: [Int] = []
    var nats: [Double] = []
    var images: [Int] = []
    var grid: String?

    /// The nats of one image.
    subscript(image: Int) -> ArraySlice<Double> { nats[image * shape[1]..<(image + 1) * shape[1]] }
  }

  private func map(_ path: String) throws -> Map {
    var result = Map(shape: [0, 0])
    let reader = RecordReader(try FileSource(path: path))
    while let record = try reader.next() {
      let features = try record.tensor("features")
      #expect(features.elementType == .float64 && record.metadata["kind"] == "features")
      result.shape = [result.shape[0] + features.shape[0], features.shape[1]]
      result.nats += try features.doubles()
      result.images += try record.tensor("images").integers()
      result.grid = record.metadata["grid"]
    }
    return result
  }

  private func loss(_ result: ToolProcess.Result) throws -> Double {
    let json = try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Any]
    return try #require(json?["loss"] as? Double)
  }

  @Test func theMapIsTheLossOfEachToken() throws {
    let tokens = try tokenBatch(files.relabelled)
    let result = try succeed(
      "score-tokens",
      [
        files.relabelled, "--model", files.model, "--map", "map", "--logits", "logits", "--rank", "rank",
        "--held-out", "0.2", "--batch-size", "5",
      ], in: folder.url)
    let map = try map(folder.path("map"))
    #expect(map.shape == [12, 64] && map.grid == "8x8" && Set(map.images).count == 12)
    // The same sum, however it is cut: numbers without rounding.
    #expect(try abs(map.nats.reduce(0, +) / 768 - loss(result)) < 1e-12)
    var logits: [Float] = []
    let reader = RecordReader(try FileSource(path: folder.path("logits")))
    while let record = try reader.next() { logits += try record.tensor("logits").floats() }
    for (row, nats) in map.nats.enumerated() {
      let own = logits[row * 32..<(row + 1) * 32].map(Double.init)
      let target = Int(Array(tokens.tokens(image: map.images[row / 64]))[row % 64])
      #expect(abs(log(own.map(exp).reduce(0, +)) - own[target] - nats) < 1e-5, "row \(row)")
    }
    try checkTable(map, tokens)
  }

  /// The table has each image once, the most probable first, with the sum of its map.
  private func checkTable(_ map: Map, _ tokens: TokenBatch) throws {
    let lines = try String(contentsOfFile: folder.path("rank"), encoding: .utf8).split(separator: "\n")
    #expect(lines[0] == "image\tclass\tname\tnats\tnats_per_token" && lines.count == 13)
    let rows = lines.dropFirst().map { $0.split(separator: "\t") }
    #expect(Set(rows.map { Int($0[0]) }) == Set(map.images.map { $0 }))
    let nats = try rows.map { try #require(Double($0[3])) }
    #expect(nats == nats.sorted())
    for row in rows {
      let (image, label) = (try #require(Int(row[0])), try #require(Int(row[1])))
      let place = try #require(map.images.firstIndex(of: image))
      #expect(label == Int(tokens.labels[image]) && row[2] == tokens.header.classNames[label])
      let sum = map[place].reduce(0, +)
      #expect(try abs(#require(Double(row[3])) - sum) < 1e-10)
      #expect(try abs(#require(Double(row[4])) - sum / 64) < 1e-12)
    }
  }

  @Test func aModelThatKnowsNothingGivesLogOfTheCodes() throws {
    // Output weights of zero: all codes are equally probable, and all images too.
    var model = try record(files.model)
    let place = try #require(model.tensors.firstIndex { $0.name == "output.weight" })
    let output = model.tensors[place]
    model.tensors[place] = StoredTensor(
      name: output.name, shape: output.shape, floats: [Float](repeating: 0, count: output.elementCount))
    let empty = try write(file(of: [model]), "empty", in: folder)
    try succeed(
      "score-tokens",
      [
        files.relabelled, "--model", empty, "--map", "map", "--rank", "rank", "--map-sheet", "sheet.png",
        "--draw", "6",
      ] + SharedFiles.repeatable, in: folder.url)
    let map = try map(folder.path("map"))
    #expect(map.shape == [60, 64] && map.images == Array(0..<60))
    #expect(map.nats.allSatisfy { abs($0 - log(32)) < 1e-12 })
    // Equal images stay in the order of the file.
    let lines = try String(contentsOfFile: folder.path("rank"), encoding: .utf8).split(separator: "\n")
    #expect(lines.dropFirst().map { $0.split(separator: "\t")[0] } == (0..<60).map { "\($0)"[...] })
    // Six maps in rows of three, each cell of four pixels, two pixels between them: a uniform guess is yellow.
    let sheet = try picture("sheet.png")
    #expect(sheet.width == 3 * 34 + 2 && sheet.height == 2 * 34 + 2)
    for y in 0..<sheet.height {
      for x in 0..<sheet.width {
        let pixel = Array(sheet.pixels[(y * sheet.width + x) * 3..<(y * sheet.width + x) * 3 + 3])
        let inside = x % 34 >= 2 && y % 34 >= 2
        #expect(pixel == (inside ? [255, 255, 0] : [128, 128, 128]), "\(x), \(y)")
      }
    }
  }

  private func picture(_ name: String) throws -> RGBImage {
    try ImageDecoder.decode(bytes(folder.path(name)), name: name)
  }

  @Test func shardsOfAMapAreTheWhole() throws {
    let common = [files.relabelled, "--model", files.model, "--batch-size", "7"] + SharedFiles.repeatable
    try succeed("score-tokens", common + ["--map", "whole"], in: folder.url)
    var parts: [UInt8] = []
    // Nine batches: with twelve shards some have none.
    for number in 1...12 {
      try succeed(
        "score-tokens", common + ["--map", "part\(number)", "--shard", "\(number)/12"], in: folder.url)
      parts += try bytes(folder.path("part\(number)"))
    }
    _ = try write(parts, "all", in: folder)
    let (whole, all) = (try map(folder.path("whole")), try map(folder.path("all")))
    #expect(all.nats == whole.nats && all.images == whole.images && all.shape == [60, 64])
    let missing = try write(
      bytes(folder.path("part1")) + bytes(folder.path("part3")), "missing", in: folder)
    #expect(throws: FormatError.self) { try map(missing) }
  }

  @Test func whatDoesNotGoTogetherIsRefused() throws {
    let cases: [([String], String)] = [
      (["--map", "-"], "name files for --map"), (["--rank", "-"], "name files for --map"),
      (["--map-sheet", "-"], "name files for --map"),
      (["--rank", "r", "--shard", "1/2"], "--map-sheet and --rank show all images"),
      (["--map-sheet", "r", "--shard", "1/2"], "--map-sheet and --rank show all images"),
      (["--map", "m", "--fine", "f"], "for a model by itself"),
      (["--draw", "3"], "go with --map-sheet"), (["--enlarge", "3"], "go with --map-sheet"),
      (["--map-sheet", "m", "--enlarge", "33"], "--enlarge from 1 to 32"),
      (["--map-sheet", "m", "--draw", "0"], "--draw must be at least 1"),
      (["--map", "m", "--rank", "m"], "m"), (["--map", files.relabelled], "relabelled"),
    ]
    for (arguments, words) in cases {
      let result = try ToolProcess.run(
        "score-tokens", [files.relabelled, "--model", files.model] + arguments, in: folder.url)
      expectRefusal(result, "score-tokens", 64, words)
    }
    let merged = try ToolProcess.run("score-tokens", ["s", "--merge", "--rank", "r"], in: folder.url)
    expectRefusal(merged, "score-tokens", 64, "--merge adds up scores")
    #expect(folder.names.isEmpty)
  }
}
