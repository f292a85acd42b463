import ArgumentParser
import Codebooks
import ImageModels
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

@main struct RearrangeCodebook: Tool {
  static let toolName = "rearrange-codebook"
  static let summary = "Reorders a codebook so that each block of equal size holds similar codes (IAR 3.2)."
  static let usageExample =
    "rearrange-codebook tokenizer.tensors.zst --cluster-size 32 --output rearranged.tensors.zst --mapping iar.tensors.zst"
  static var versionDetails: [String] { BuildInformation.lines }

  @Argument(help: "Tokenizer file, or '-' for standard input.") var tokenizer: InputPath
  @Option(help: "m, the number of codes per cluster; it must divide the number of codes.")
  var clusterSize = 128
  @Option(name: .shortAndLong, help: "Tokenizer file to write, with the codes in their new order.")
  var output: OutputPath?
  @Option(help: "Mapping file to write: the permutation, and statistics of the clusters.")
  var mapping: OutputPath?
  @Option(help: "First centroids: random (as in the paper) or k-means++.") var start = "k-means++"
  @Option(help: "Number of starts; the best result is kept.") var restarts = 1
  @Option(help: "Largest number of iterations per start.") var maximumIterations = 100
  @Flag(
    help: ArgumentHelp(
      "If --maximum-iterations ends a start early, take the clusters of its last iteration, as the paper does, not "
        + "the best ones met."))
  var lastIteration = false
  @Flag(
    inversion: .prefixedNo, help: "Afterwards improve the clusters by exchanging codes (not in the paper).")
  var refine = true
  @Flag(inversion: .prefixedNo, help: "Order the codes of a cluster as a chain of nearest neighbours.")
  var order = true
  @Flag(help: "Cluster the codes as they are, even where the tokenizer scales them to length 1.")
  var raw = false
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output, mapping)
    if output == nil && mapping == nil && !common.json {
      throw ValidationError("give at least one of --output, --mapping and --json.")
    }
    if startKind == nil { throw ValidationError("--start must be random or k-means++, not '\(start)'.") }
    if [clusterSize, restarts, maximumIterations].contains(where: { !(1...1 << 24).contains($0) }) {
      throw ValidationError("--cluster-size, --restarts and --maximum-iterations must be from 1 to 2^24.")
    }
  }

  private var startKind: ClusterStart? {
    ["random": ClusterStart.random, "k-means++": .kMeansPlusPlus][start]
  }

  func execute(_ session: ToolSession) throws {
    let device = session.device()
    let model = try Tokenizer(session.readRecord(tokenizer), device: device)
    let codes = CodeVectors(model.codebook.value)
    guard codes.count % clusterSize == 0 else {
      throw ToolError(
        .badData, tokenizer.path,
        expected: "a multiple of \(clusterSize) codes",
        found: "\(codes.count)",
        try: "a --cluster-size that divides \(codes.count)")
    }
    let points = raw || !model.configuration.comparesDirections ? codes : codes.normalized(on: device)
    let blocks = try BalancedPartition.blocks(codes: codes.count, clusterSize: clusterSize)
    let begin = ContinuousClock.now
    let clustering = BalancedClustering(
      clusterSize: clusterSize, start: startKind ?? .random, maximumIterations: maximumIterations,
      restarts: restarts, keepsLastRound: lastIteration, seed: session.seed)
    let plain = try clustering.run(points, on: device)
    let clusters =
      refine
      ? try ClusterRefinement(seed: session.seed).run(points, plain.clusters, on: device).clusters
      : plain.clusters
    // Members in ascending order are the ablation "without order".
    let permutation =
      order ? clusters.order(points, on: device) : try CodePermutation(newToOld: clusters.members())
    let seconds = (ContinuousClock.now - begin) / .seconds(1)

    let source = model.codebookSHA256
    model.codebook.value.copyElements(from: codes.rows(permutation.newToOld).tensor(on: device))
    let before = ClusterStatistics(points, blocks, on: device)
    let after = ClusterStatistics(points, clusters, on: device)
    let statistics = ["before": before, "after": after]
    if let output { try session.write(try model.record(), to: output) }
    if let mapping {
      let written = CodeMapping(
        newToOld: permutation.newToOld, sourceCodebookSHA256: source,
        targetCodebookSHA256: model.codebookSHA256,
        clusterSize: clusterSize, statistics: try sortedJSON(statistics))
      try session.write(written.record(), to: mapping)
    }
    try session.report([
      "codes": .integer(codes.count), "clusters": .integer(before.clusterCount),
      "cluster_size": .integer(clusterSize),
      "iterations": .integer(plain.iterations), "converged": .bool(plain.converged),
      "inner_mse_unrefined": .number(plain.innerMSE), "before": before.json, "after": after.json,
      "adjacent_distance_sum_before": .number(points.adjacentDistanceSum),
      "adjacent_distance_sum_after": .number(points.rows(permutation.newToOld).adjacentDistanceSum),
      "seconds": .number(seconds),
    ])
    session.say("inner MSE \(printed("%.4g", before.innerMSE)) -> \(printed("%.4g", after.innerMSE))")
  }
}
