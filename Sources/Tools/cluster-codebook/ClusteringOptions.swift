import ArgumentParser
import Codebooks
import TensorCore

/// How the codes are clustered: by k-means unless one of the flags says otherwise.
struct ClusteringOptions: ParsableArguments {
  @Flag(
    help: ArgumentHelp(
      "Random clusters, for comparison: one code in each, and a random cluster for every other "
        + "code."))
  var random = false
  @Flag(help: "Agglomerative clustering by average linkage of squared distances, instead of k-means.")
  var agglomerative = false
  @Option(help: "First centroids of k-means: random or k-means++. (default: k-means++)") var start: String?
  @Option(help: "Number of starts of k-means; the best result is kept. (default: 1)") var restarts: Int?
  @Option(help: "Largest number of iterations per start. (default: 300)") var maximumIterations: Int?

  func validate() throws {
    if random && agglomerative {
      throw ValidationError("give one of --random and --agglomerative, not both.")
    }
    if random || agglomerative, start != nil || restarts != nil || maximumIterations != nil {
      throw ValidationError("--start, --restarts and --maximum-iterations are for k-means, not --\(name).")
    }
    if startKind == nil {
      throw ValidationError("--start must be random or k-means++, not '\(start ?? "")'.")
    }
    if [restarts ?? 1, maximumIterations ?? 1].contains(where: { !(1...1 << 24).contains($0) }) {
      throw ValidationError("--restarts and --maximum-iterations must be from 1 to 2^24.")
    }
  }

  /// The method as a word.
  var name: String { random ? "random" : agglomerative ? "agglomerative" : "k-means" }

  private var startKind: ClusterStart? {
    ["random": ClusterStart.random, "k-means++": .greedyKMeansPlusPlus][start ?? "k-means++"]
  }

  /// Clusters the codes; iterations and convergence are of k-means only.
  func run(_ codes: CodeVectors, clusterCount: Int, seed: UInt64, on device: Device) throws(CodebookError)
    -> (clusters: CodePartition, iterations: Int?, converged: Bool?)
  {
    if random {
      let clusters = try CodePartition.random(codes: codes.count, clusterCount: clusterCount, seed: seed)
      return (clusters, nil, nil)
    }
    if agglomerative { return (try AverageLinkage(clusterCount: clusterCount).run(codes), nil, nil) }
    let clustering = KMeans(
      count: clusterCount, start: startKind ?? .greedyKMeansPlusPlus,
      maximumIterations: maximumIterations ?? 300,
      restarts: restarts ?? 1, emptyClusters: .takeFarthest, seed: seed)
    let found = try clustering.run(codes, on: device)
    let clusters = try CodePartition(clusterOf: found.clusterOf, clusterCount: clusterCount)
    return (clusters, found.iterations, found.converged)
  }
}
