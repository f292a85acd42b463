import Foundation
import Testing
import TestSupport

/// Cluster scores of a model in its own order of codes, and of a baseline by the clusters of another order.
@Suite struct ClusterScoresTests {
  private let files: SharedFiles
  private let folder = try! TemporaryFolder()

  init() throws { files = try SharedFiles.get() }

  private func scores(_ arguments: [String]) throws -> [String: Double] {
    let text = try succeed("score-tokens", arguments, in: folder.url).text
    return try JSONDecoder().decode([String: Double].self, from: Data(text.utf8))
  }

  @Test func aBaselineIsScoredByTheClustersOfTheMapping() throws {
    try succeed(
      "train-ar",
      [
        files.tokens, "--model", "CPU-tiny", "--layers", "1", "--steps", "3", "--batch-size", "4", "-o",
        "baseline",
      ],
      in: folder.url)
    let own = try scores([files.tokens, "--model", "baseline"])
    let by = try scores([files.tokens, "--model", "baseline", "--mapping", files.mapping])
    #expect(own["cluster_loss"] == nil)
    for (name, value) in own { #expect(by[name] == value, "\(name) does not depend on clusters") }
    let loss = try #require(by["cluster_loss"])
    #expect(try loss > 0 && loss < #require(by["loss"]), "a cluster is easier to predict than its codes")
    for rank in ["top1", "top5"] {
      #expect(try #require(by["token_in_cluster_\(rank)"]) >= #require(by["token_\(rank)"]))
    }
    let blocks = try succeed(
      "score-tokens", [files.tokens, "--model", "baseline", "--cluster-size", "8"], in: folder.url)
    #expect(blocks.errors.contains("trained without clusters"))
  }

  @Test func aMappingOfOtherTokensIsRefused() throws {
    let result = try ToolProcess.run(
      "score-tokens", [files.relabelled, "--model", files.model, "--mapping", files.mapping])
    expectRefusal(result, "score-tokens", 65, files.mapping, "expected codes of codebook")
    let both = try ToolProcess.run(
      "score-tokens", ["no", "--model", "no", "--mapping", "no2", "--cluster-size", "4"])
    expectRefusal(both, "score-tokens", 64, "--mapping has clusters of its own")
  }
}
