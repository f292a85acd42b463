import Foundation
import StreamFormat
import Testing
import TestSupport

@Suite struct ClusterCodebookTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func cluster(_ arguments: String...) throws -> ToolProcess.Result {
    try ToolProcess.run("cluster-codebook", [files.tokenizer] + arguments, in: folder.url)
  }

  private func mapping(_ name: String) throws -> CodeMapping { try CodeMapping(record(folder.path(name))) }

  @Test(arguments: [[], ["--random"], ["--agglomerative"], ["--raw", "--restarts", "3"]], [1, 5, 32])
  func everyMethodGivesEveryLabel(method: [String], count: Int) throws {
    let arguments = [files.tokenizer, "--clusters", "\(count)", "-o", "m", "--json"] + method
    let result = try succeed("cluster-codebook", arguments, in: folder.url)
    let mapping = try mapping("m")
    #expect(mapping.sourceCount == 32 && mapping.targetCount == count)
    #expect(Set(mapping.table) == Set(0..<count))
    #expect(mapping.sourceCodebookSHA256 == (try record(files.tokenizer).metadata["codebook_sha256"]))
    let summary = try #require(try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Any])
    let stored = try #require(
      try JSONSerialization.jsonObject(with: Data((mapping.statistics ?? "").utf8)) as? [String: Any])
    let figures = try #require(summary["statistics"] as? [String: Double])
    #expect(summary["clusters"] as? Int == count && stored["clusterCount"] as? Int == count)
    #expect(figures["inner_mse"] == stored["innerMSE"] as? Double)
    #expect((figures["inner_mse"] == 0) == (count == 32))
    #expect(
      summary["smallest_cluster"] as? Int
        == (0..<count).map { label in
          mapping.table.count { $0 == label }
        }.min())
  }

  @Test func theSameBytesForAnyNumberOfThreads() throws {
    for (threads, seed, name) in [("1", "4", "a"), ("3", "4", "b"), ("1", "5", "c")] {
      let result = try cluster(
        "--clusters", "6", "--seed", seed, "--threads", threads, "--no-provenance", "-o", name)
      #expect(result.status == 0, "\(result.errors)")
    }
    #expect(try bytes(folder.path("a")) == bytes(folder.path("b")))
    let (one, other) = (try mapping("a"), try mapping("c"))
    #expect(one.table != other.table && one.targetCodebookSHA256 != other.targetCodebookSHA256)
  }

  @Test func otherToolsTakeTheMapping() throws {
    #expect(try cluster("--clusters", "6", "-o", "m").status == 0)
    let table = try mapping("m").table
    try succeed("relabel-tokens", [files.tokens, "--mapping", "m", "-o", "coarse"], in: folder.url)
    let (fine, coarse) = (try tokenBatch(files.tokens), try tokenBatch(folder.path("coarse")))
    #expect(coarse.header.vocabSize == 6)
    #expect(coarse.tokens == fine.tokens.map { UInt32(table[Int($0)]) })
    #expect(coarse.header.codebookSHA256 == (try mapping("m").targetCodebookSHA256))
    try succeed("perturb-tokens", [files.tokens, "--same-cluster", "m", "-o", "perturbed"], in: folder.url)
    let perturbed = try tokenBatch(folder.path("perturbed"))
    #expect(perturbed.tokens.map { UInt32(table[Int($0)]) } == coarse.tokens)
    // Coarse tokens are no fine tokens.
    let twice = try ToolProcess.run(
      "relabel-tokens", ["coarse", "--mapping", "m", "-o", "again"], in: folder.url)
    expectRefusal(twice, "relabel-tokens", 65, "codebook")
  }

  @Test func wrongUseIsRefused() throws {
    expectRefusal(try cluster("--clusters", "33", "-o", "m"), "cluster-codebook", 65, "33", "32")
    expectRefusal(try cluster("--clusters", "0", "-o", "m"), "cluster-codebook", 64, "--clusters")
    expectRefusal(try cluster("--clusters", "4"), "cluster-codebook", 64, "--output")
    expectRefusal(
      try cluster("--clusters", "4", "-o", "m", "--random", "--agglomerative"), "cluster-codebook", 64,
      "--random")
    expectRefusal(
      try cluster("--clusters", "4", "-o", "m", "--random", "--restarts", "2"), "cluster-codebook", 64,
      "k-means")
    expectRefusal(
      try cluster("--clusters", "4", "-o", "m", "--start", "best"), "cluster-codebook", 64, "best")
    expectRefusal(
      try cluster("--clusters", "4", "-o", "m", "--restarts", "0"), "cluster-codebook", 64, "--restarts")
    let missing = try ToolProcess.run(
      "cluster-codebook", ["no", "--clusters", "4", "-o", "m"], in: folder.url)
    expectRefusal(missing, "cluster-codebook", 66, "no")
    let tokens = try ToolProcess.run(
      "cluster-codebook", [files.tokens, "--clusters", "4", "-o", "m"], in: folder.url)
    expectRefusal(tokens, "cluster-codebook", 65, "tokenizer")
    #expect(folder.names == [])
  }
}
