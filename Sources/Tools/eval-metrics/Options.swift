import ArgumentParser
import FeatureNetworks
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
    help: ArgumentHelp("Samples: a folder of PNGs, an ADM .npz, tokens or features.", valueName: "input"))
  var samples: InputPath?
  @Option(
    help: ArgumentHelp(
      "The reference's images, for --nearest-sheet, where --reference is their features.", valueName: "input")
  )
  var referenceImages: InputPath?
  @Option(
    help: ArgumentHelp(
      "The samples' images, for --nearest-sheet, where --samples is their features.", valueName: "input"))
  var samplesImages: InputPath?
  @Option(help: ArgumentHelp("Tokenizer file that decodes tokens.", valueName: "file")) var tokenizer:
    InputPath?
  @Option(
    help: ArgumentHelp("Crop images of both sides to this size, as tokenize does.", valueName: "pixels"))
  var size: Int?
  @Option(help: "Which images of the reference count: all, training or held-out.") var referencePart =
    ReferencePart.all
  @Option(help: "Share of the images that training held out.") var heldOut = 0.05
  @Option(help: "Seed of the held-out split.") var splitSeed: UInt64 = 0
  @Flag(name: .customLong("allow-jpeg"), help: "Accept JPEG files as samples.") var allowJPEG = false

  func validate() throws {
    try InputPath.requireDistinct(reference, samples, referenceImages, samplesImages, tokenizer)
    if reference == nil && samples == nil { throw ValidationError("give --reference and --samples.") }
    if !(1...1 << 16).contains(size ?? 1) { throw ValidationError("--size must be from 1 to 65536.") }
    if !(0..<1).contains(heldOut) { throw ValidationError("--held-out must be from 0 to below 1.") }
    if referencePart == .heldOut && heldOut == 0 { throw ValidationError("--held-out must be above 0.") }
  }
}

/// What is computed from features.
struct MetricOptions: ParsableArguments {
  @Option(help: ArgumentHelp("\(FeatureNetworks.names.joined(separator: ", ")).", valueName: "name"))
  var network: String?
  @Option(help: ArgumentHelp("Weights of the network, from import-weights.", valueName: "file")) var weights:
    InputPath?
  @Option(
    help: ArgumentHelp(
      "fid, sfid, is, kid, precision-recall, separated by commas. (default: all that apply)",
      valueName: "list"))
  var metrics: String?
  @Flag(
    name: .customLong("fid-infinity"), help: "Extrapolate the Frechet distance to infinitely many samples.")
  var frechetInfinity = false
  @Option(help: "Splits of the inception score. (default: one for each 5000 images)") var splits: Int?
  @Option(
    help: "Images of a split of the inception score: random ones, by --seed, or consecutive ones of the file."
  )
  var isSplitOrder = InceptionSplitOrder.random
  @Option(help: "Neighbour whose distance is the radius of precision and recall.") var k = 3
  @Option(help: "Images shown to the network at a time.") var batchSize = 32
  @Flag(help: "Compare image by image: MSE, PSNR and SSIM. Images of two folders are paired by their names.")
  var pairs = false
  @Flag(help: "With --pairs, pair images by their order, whatever their names.") var pairsInOrder = false
  @Option(
    help: ArgumentHelp("Add LPIPS to --pairs: weights of lpips-alex or lpips-vgg.", valueName: "file"))
  var lpipsWeights: InputPath?

  /// The metrics that were asked for; nil for all that apply.
  var wanted: [DistributionMetric]? {
    metrics?.split(separator: ",", omittingEmptySubsequences: false).compactMap {
      DistributionMetric(rawValue: String($0))
    }
  }

  func validate() throws {
    func need(_ holds: Bool, _ words: String) throws { if !holds { throw ValidationError(words) } }
    let names = metrics?.split(separator: ",", omittingEmptySubsequences: false) ?? []
    for name in names where DistributionMetric(rawValue: String(name)) == nil {
      let known = DistributionMetric.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--metrics: '\(name)' is none of \(known).")
    }
    if let network {
      let known = FeatureNetworks.names.joined(separator: ", ")
      try need(
        FeatureNetworks.names.contains(network), "--network must be one of \(known), not '\(network)'.")
      let needsWeights = FeatureNetworks.namesWithWeights.contains(network)
      try need(!needsWeights || weights != nil, "--network \(network) needs --weights.")
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
    help: ArgumentHelp("Write the features of the one side that is given, for later runs.", valueName: "file")
  )
  var writeFeatures: OutputPath?
  @Option(
    help: ArgumentHelp(
      "Write mean and covariance of the one side that is given, for later runs.", valueName: "file"))
  var writeStatistics: OutputPath?
  @Option(
    help: ArgumentHelp("Write a PNG of samples, each beside its nearest references.", valueName: "file"))
  var nearestSheet: OutputPath?
  @Option(help: "Nearest references beside each sample.") var nearestCount = 8
  @Option(help: "Samples on the sheet.") var nearestSamples = 8
  @Option(help: "Enlarge the sheet by a whole factor.") var enlarge = 1

  func validate() throws {
    if !(1...1024).contains(nearestCount) || !(1...4096).contains(nearestSamples)
      || !(1...32).contains(enlarge)
    {
      throw ValidationError(
        "--nearest-count, --nearest-samples and --enlarge must be at least 1 and not absurd.")
    }
  }

  var writesOneSide: Bool { writeFeatures != nil || writeStatistics != nil }
}
