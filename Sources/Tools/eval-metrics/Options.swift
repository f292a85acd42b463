import ArgumentParser
import FeatureNetworks
import SuiteOptions
import ToolRuntime

/// The metrics of distributions, under the names of `--metrics`.
enum DistributionMetric: String, CaseIterable {
  case frechet = "fid"
  case spatialFrechet = "sfid"
  case inceptionScore = "is"
  case kernel = "kid"
  case precisionRecall = "precision-recall"
}

/// Which images of the reference count.
enum ReferencePart: String, ExpressibleByArgument, CaseIterable {
  case all, training
  case heldOut = "held-out"
}

/// Which images go into a split of the inception score.
enum InceptionSplitOrder: String, ExpressibleByArgument, CaseIterable {
  case random, file
}

/// What is compared with what.
struct InputOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Reference: a folder of images, an ADM .npz, tokens, features or statistics.", valueName: "input"))
  var reference: InputPath?
  @Option(
    help: ArgumentHelp(
      "Samples: a folder of PNGs, an ADM .npz, tokens, features or statistics.", valueName: "input"))
  var samples: InputPath?
  @Option(
    help: ArgumentHelp(
      "Images of the reference, for --nearest-sheet, if --reference is a file of features.",
      valueName: "input")
  )
  var referenceImages: InputPath?
  @Option(
    help: ArgumentHelp(
      "Images of the samples, for --nearest-sheet, if --samples is a file of features.", valueName: "input"))
  var samplesImages: InputPath?
  @Option(
    help: ArgumentHelp("Tokenizer file that decodes tokens; also the network 'tokenizer'.", valueName: "file")
  ) var tokenizer: InputPath?
  @Option(
    help: ArgumentHelp(
      "Side in pixels to which images of folders are cropped and resized, as tokenize does.",
      valueName: "pixels"))
  var size: Int?
  @Flag(help: "Enlarge images that are smaller than --size; otherwise they are an error.")
  var allowUpscale = false
  @OptionGroup var decoding: DecodingFlags
  @Option(help: "Images of the reference to use: all, or the training or held-out part of a training run.")
  var referencePart =
    ReferencePart.all
  @OptionGroup var heldOut: HeldOutOptions
  @Flag(
    name: .customLong("allow-jpeg"), help: "Accept JPEG files as samples; compression changes the scores.")
  var allowJPEG = false

  func validate() throws {
    try InputPath.requireDistinct(reference, samples, referenceImages, samplesImages, tokenizer)
    if reference == nil && samples == nil { throw ValidationError("give --reference and --samples.") }
    if !(1...1 << 16).contains(size ?? 1) { throw ValidationError("--size must be from 1 to 65536.") }
    if allowUpscale && size == nil { throw ValidationError("--allow-upscale needs --size.") }
    if referencePart == .heldOut { try heldOut.requireSome() }
    if referencePart == .all, heldOut.heldOut != nil || heldOut.splitSeed != 0 {
      throw ValidationError("--held-out and --split-seed go with --reference-part.")
    }
  }
}

/// What is computed from features.
struct MetricOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Network whose features are compared: \(FeatureNetworks.names.joined(separator: ", ")).",
      valueName: "name"))
  var network: String?
  @Option(
    help: ArgumentHelp(
      "Weights of the network, a file that import-weights wrote; not needed where both sides "
        + "are features.", valueName: "file"))
  var weights: InputPath?
  @Option(
    help: ArgumentHelp(
      "Metrics to compute: fid, sfid, is, kid, precision-recall, separated by commas. "
        + "(default: all that apply)",
      valueName: "list"))
  var metrics: String?
  @Flag(
    name: .customLong("fid-infinity"),
    help: "Also extrapolate the Frechet distance to infinitely many samples (Chong and Forsyth 2020).")
  var frechetInfinity = false
  @Option(help: "Number of splits of the inception score. (default: one per 5000 images)") var splits: Int?
  @Option(
    help: "Images of a split of the inception score: random ones, by --seed, or consecutive ones of the file."
  )
  var isSplitOrder = InceptionSplitOrder.random
  @Option(help: "k: the distance to the k-th nearest neighbour is the radius of precision and recall.")
  var k = 3
  @Option(help: "Number of images that the network reads at a time; does not change the scores.")
  var batchSize = 32
  @Flag(
    help: "Compare images in pairs: MSE, PSNR and SSIM. The images of two folders are paired by their names.")
  var pairs = false
  @Flag(help: "With --pairs, pair images by their order, whatever their names.") var pairsInOrder = false
  @Option(
    help: ArgumentHelp("Add LPIPS to --pairs: weights file of lpips-alex or lpips-vgg.", valueName: "file"))
  var lpipsWeights: InputPath?

  /// The metrics that were asked for; nil for all that apply.
  var wanted: [DistributionMetric]? {
    metrics.flatMap { commaSeparated($0) { DistributionMetric(rawValue: $0) } }
  }

  /// Whether a metric is wanted that mean and covariance do not give.
  var needsEachImage: Bool {
    frechetInfinity || wanted.map { $0.contains { $0 == .kernel || $0 == .precisionRecall } } ?? true
  }

  func validate() throws {
    func need(_ holds: Bool, _ words: String) throws { if !holds { throw ValidationError(words) } }
    for name in metrics.flatMap({ commaSeparated($0) { $0 } }) ?? []
    where DistributionMetric(rawValue: name) == nil {
      let known = DistributionMetric.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--metrics: '\(name)' is none of \(known).")
    }
    if let network {
      let known = FeatureNetworks.names.joined(separator: ", ")
      try need(
        FeatureNetworks.names.contains(network), "--network must be one of \(known), not '\(network)'.")
      let needsWeights = FeatureNetworks.namesWithWeights.contains(network)
      try need(needsWeights || weights == nil, "--network \(network) has no --weights.")
    }
    try need(pairs || lpipsWeights == nil, "--lpips-weights needs --pairs.")
    try need(network != nil || weights == nil, "--weights needs --network.")
    try need(pairs || !pairsInOrder, "--pairs-in-order needs --pairs.")
    try need(
      [splits ?? 1, k, batchSize].allSatisfy((1...1 << 20).contains),
      "--splits, --k and --batch-size must be from 1 to 2^20.")
  }
}

/// What is written besides the report.
struct OutputOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Write the features of the one given side to this file, for later runs.", valueName: "file")
  )
  var writeFeatures: OutputPath?
  @Option(
    help: ArgumentHelp(
      "Write mean and covariance of the one given side to this file, for later runs.", valueName: "file"))
  var writeStatistics: OutputPath?
  @OptionGroup var sharding: ShardOptions
  @Option(
    help: ArgumentHelp("Write a PNG that shows samples beside their nearest references.", valueName: "file"))
  var nearestSheet: OutputPath?
  @Option(help: "Number of references beside each sample of --nearest-sheet, from 1 to 1024. (default: 8)")
  var nearestCount: Int?
  @Option(help: "Number of samples on --nearest-sheet, from 1 to 4096. (default: 8)") var nearestSamples: Int?
  @Option(help: "Factor by which --nearest-sheet is enlarged, from 1 to 32. (default: 1)") var enlarge: Int?

  func validate() throws {
    if nearestSheet == nil, nearestCount != nil || nearestSamples != nil || enlarge != nil {
      throw ValidationError("--nearest-count, --nearest-samples and --enlarge go with --nearest-sheet.")
    }
    if !(1...1024).contains(nearestCount ?? 1) || !(1...4096).contains(nearestSamples ?? 1)
      || !(1...32).contains(enlarge ?? 1)
    {
      throw ValidationError(
        "--nearest-count must be from 1 to 1024, --nearest-samples from 1 to 4096, --enlarge from 1 to 32.")
    }
  }

  var writesOneSide: Bool { writeFeatures != nil || writeStatistics != nil }
}
