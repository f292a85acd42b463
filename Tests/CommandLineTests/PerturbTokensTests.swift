import Foundation
import Images
import StreamFormat
import Testing
import TestSupport

@Suite struct PerturbTokensTests {
  private let folder = try! TemporaryFolder()
  private static let labels = [0, 1, 0, 2, 1, 0, 1, 0]
  private let header = TokenHeader(vocabSize: 8, rows: 5, columns: 4, codebookSHA256: "c0de", classCount: 1)

  private func write(_ records: [Record], _ name: String) throws {
    let sink = MemorySink()
    let writer = RecordWriter(sink)
    for record in records { try writer.write(record) }
    try writer.finish()
    try Data(sink.bytes).write(to: folder.url.appending(path: name))
  }

  private func batch(images: Range<Int>) -> TokenBatch {
    TokenBatch(
      header: header, tokens: images.flatMap { image in (0..<20).map { UInt32(($0 * 3 + image) % 8) } },
      labels: images.map { _ in 0 })
  }

  private func read(_ name: String) throws -> TokenBatch {
    try TokenReader(RecordReader(FileSource(path: folder.path(name)))).readAll()
  }

  private func writeMapping() throws {
    let mapping = CodeMapping(
      fineToCoarse: Self.labels, coarseCount: 3, sourceCodebookSHA256: "c0de", targetCodebookSHA256: "coarse")
    try write([mapping.record()], "m")
  }

  private func perturb(_ arguments: String...) throws -> ToolProcess.Result {
    try ToolProcess.run("perturb-tokens", arguments, in: folder.url)
  }

  @Test func tokensStayInTheirClusters() throws {
    try write([batch(images: 0..<30).record()], "tokens")
    try writeMapping()
    #expect(try perturb("tokens", "--same-cluster", "m", "-o", "out").status == 0)
    let (before, after) = (try read("tokens"), try read("out"))
    #expect(before.labels == after.labels)
    var seen: Set<[UInt32]> = []
    for (old, new) in zip(before.tokens, after.tokens) {
      #expect(Self.labels[Int(old)] == Self.labels[Int(new)])
      // Code 3 is alone in its cluster.
      #expect((old == new) == (old == 3))
      seen.insert([old, new])
    }
    // Every other code of a cluster turns up: 4 * 3 pairs of cluster 0, 3 * 2 of cluster 1, 1 of cluster 2.
    #expect(seen.count == 19)
  }

  @Test func theCutIntoRecordsChangesNothing() throws {
    try write([batch(images: 0..<9).record()], "one")
    try write([batch(images: 0..<4).record(), batch(images: 4..<9).record()], "two")
    try writeMapping()
    for name in ["one", "two"] {
      #expect(try perturb(name, "--same-cluster", "m", "--seed", "5", "-o", name + ".out").status == 0)
    }
    #expect(try read("one.out") == read("two.out"))
    #expect(try perturb("one", "--same-cluster", "m", "--seed", "6", "-o", "other").status == 0)
    #expect(try read("other") != read("one.out"))
  }

  @Test func theShareIsOfPositions() throws {
    try write([batch(images: 0..<40).record()], "tokens")
    try writeMapping()
    for share in ["0", "0.3", "1"] {
      #expect(
        try perturb("tokens", "--same-cluster", "m", "--share", share, "-o", "share-" + share).status == 0)
    }
    let (before, some, all) = (try read("tokens"), try read("share-0.3"), try read("share-1"))
    #expect(try read("share-0") == before)
    let changed = before.tokens.indices.filter { before.tokens[$0] != some.tokens[$0] }
    #expect((150...270).contains(changed.count))
    // What a small share replaces, a larger one replaces alike.
    #expect(changed.allSatisfy { some.tokens[$0] == all.tokens[$0] })
  }

  @Test func codesAreReplacedByRank() throws {
    try FileManager.default.createDirectory(atPath: folder.path("images"), withIntermediateDirectories: true)
    for i in 0..<4 {
      let pixels = (0..<16 * 16 * 3).map { UInt8(truncatingIfNeeded: $0 * (5 + i)) }
      let png = try PNGEncoder.encode(RGBImage(width: 16, height: 16, pixels: pixels))
      try Data(png).write(to: folder.url.appending(path: "images/\(i).png"))
    }
    let made = try ToolProcess.shell(
      "train-tokenizer images --size 16 --channels 8 --multipliers 1,2 --residual-blocks 1 --z-channels 8 --codes 16 "
        + "--code-dimension 4 --groups 4 --steps 1 --batch-size 2 --held-out 0 -o tokenizer "
        + "&& tokenize --tokenizer tokenizer images -o tokens", in: folder.url)
    #expect(made.status == 0, "\(made.errors)")
    let record = try #require(try RecordReader(FileSource(path: folder.path("tokenizer"))).next())
    let values = try record.tensor("quantize.embedding.weight", shape: [16, 4]).floats()
    let codes = (0..<16).map { code -> [Float] in
      let row = values[code * 4..<code * 4 + 4]
      let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return row.map { $0 / length }
    }
    for rank in [0, 1, 2, 7, 14, 15] {
      let result = try perturb(
        "tokens", "--code-distance", "\(rank)", "--tokenizer", "tokenizer", "-o", "rank-\(rank)")
      #expect(result.status == 0, "\(result.errors)")
      for (old, new) in zip(try read("tokens").tokens, try read("rank-\(rank)").tokens) {
        let order = (0..<16).sorted {
          distance(codes[$0], codes[Int(old)]) < distance(codes[$1], codes[Int(old)])
        }
        #expect(order[rank] == Int(new))
      }
    }
    let tooFar = try perturb("tokens", "--code-distance", "16", "--tokenizer", "tokenizer", "-o", "far")
    #expect(tooFar.status == 65 && tooFar.errors.contains("more than 16 codes"))
  }

  private func distance(_ a: [Float], _ b: [Float]) -> Float {
    zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  }

  @Test func wrongUseIsRefused() throws {
    try write([batch(images: 0..<2).record()], "tokens")
    let mapping = CodeMapping(
      fineToCoarse: Self.labels, coarseCount: 3, sourceCodebookSHA256: "other", targetCodebookSHA256: "coarse"
    )
    try write([mapping.record()], "m")
    let foreign = try perturb("tokens", "--same-cluster", "m", "-o", "out")
    #expect(foreign.status == 65 && foreign.errors.contains("codebook") && !folder.names.contains("out"))
    #expect(try perturb("tokens", "-o", "out").status == 64)
    #expect(try perturb("tokens", "--code-distance", "2", "-o", "out").status == 64)
    #expect(try perturb("tokens", "--same-cluster", "m", "--share", "1.5", "-o", "out").status == 64)
  }
}
