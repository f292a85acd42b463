import ArgumentParser
import Codebooks
import ImageModels
import StreamFormat
import SuiteOptions
import TensorCore
import ToolRuntime

@main struct ClusterCodebook: Tool {
  static let toolName = "cluster-codebook"
  static let summary = "Clusters a codebook into coarse labels: a fine-to-coarse mapping (CTF 4.1)."
  static let usageExample =
    "cluster-codebook tokenizer.tensors.zst --clusters 32 --output coarse.tensors.zst"
  static var versionDetails: [String] { BuildInformation.lines }

  @Argument(help: "Tokenizer file, or '-' for standard input.") var tokenizer: InputPath
  @Option(help: "M, the number of coarse labels, from 1 to the number of codes.") var clusters: Int
  @Option(name: .shortAndLong, help: "Mapping file to write; it also has statistics of the clusters.")
  var output: OutputPath?
  @OptionGroup(title: "Method") var method: ClusteringOptions
  @Flag(help: "Cluster the codes as they are stored, even if the tokenizer scales them to length 1.")
  var raw = false
  @OptionGroup(title: "Common") var common: CommonOptions

  func validate() throws {
    try common.requireFreeStandardOutput(besides: output)
    if output == nil && !common.json { throw ValidationError("give at least one of --output and --json.") }
    if clusters < 1 { throw ValidationError("--clusters must be at least 1.") }
  }

  func execute(_ session: ToolSession) throws {
    let device = session.device()
    let model = try Tokenizer(session.readRecord(tokenizer), device: device)
    let codes = CodeVectors(model.codebook.value)
    guard clusters <= codes.count else {
      throw ToolError(
        .badData, tokenizer.path,
        expected: "at least \(clusters) codes, one per cluster",
        found: "\(codes.count)",
        try: "--clusters \(codes.count) or fewer")
    }
    let points = raw || !model.configuration.comparesDirections ? codes : codes.normalized(on: device)
    let begin = ContinuousClock.now
    let found = try method.run(points, clusterCount: clusters, seed: session.seed, on: device)
    let seconds = (ContinuousClock.now - begin) / .seconds(1)

    let statistics = ClusterStatistics(points, found.clusters, on: device)
    if let output {
      let mapping = CodeMapping(
        fineToCoarse: found.clusters.clusterOf.map(Int.init), coarseCount: clusters,
        sourceCodebookSHA256: model.codebookSHA256, statistics: try sortedJSON(statistics))
      try session.write(mapping.record(), to: output)
    }
    try session.report([
      "codes": .integer(codes.count), "clusters": .integer(clusters), "method": .string(method.name),
      "smallest_cluster": .integer(statistics.smallestSize),
      "largest_cluster": .integer(statistics.largestSize),
      "iterations": found.iterations.map(JSONValue.integer) ?? .null,
      "converged": found.converged.map(JSONValue.bool) ?? .null,
      "statistics": statistics.json, "seconds": .number(seconds),
    ])
    session.say(
      "\(clusters) clusters of \(statistics.smallestSize) to \(statistics.largestSize) codes, inner MSE "
        + "\(statistics.innerMSE)")
  }
}
