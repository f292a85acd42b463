import Evaluation
import Metrics
import TensorCore
import ToolRuntime

/// The metrics of two sets of features, and their warnings.
struct DistributionComparison {
  let reference: FeatureSet
  let samples: FeatureSet
  let options: MetricOptions
  let seed: UInt64
  let device: Device

  func run(into report: inout Report) throws {
    report.begin(reference, samples)
    var (computed, refused) = (0, MetricsError?.none)
    for metric in DistributionMetric.allCases where try isWanted(metric) {
      do {
        try add(metric, &report)
        computed += 1
      } catch let error as MetricsError {
        // What nobody has asked for is left out, so that the other metrics are not lost.
        guard options.wanted == nil, case .tooFewImages(let name, let found, let needed) = error else {
          throw error
        }
        report.warnings.append(
          "\(name) is left out: it needs at least \(needed) images, and there are \(found)")
        refused = refused ?? error
      }
    }
    if computed == 0, let refused { throw refused }
    if options.frechetInfinity { try addExtrapolation(&report) }
    addDuplicates(&report)
  }

  private func add(_ metric: DistributionMetric, _ report: inout Report) throws {
    switch metric {
    case .frechet: try addFrechet(&report)
    case .spatialFrechet: try addSpatialFrechet(&report)
    case .inceptionScore: try addInceptionScore(&report)
    case .kernel: try addKernelDistance(&report)
    case .precisionRecall: try addPrecisionRecall(&report)
    }
  }

  /// A requested metric that cannot be computed is an error; without a request it is left out.
  private func isWanted(_ metric: DistributionMetric) throws -> Bool {
    let missing = missingPart(for: metric)
    guard let wanted = options.wanted else { return missing == nil }
    guard wanted.contains(metric) else { return false }
    if let missing { throw missing }
    return true
  }

  private func missingPart(for metric: DistributionMetric) -> ToolError? {
    func words(_ what: String, _ set: FeatureSet) -> ToolError {
      ToolError(
        .badData, metric.rawValue, expected: "\(what) of \(set.path)",
        found: "none (network \(set.network.name), kind \(set.kind))",
        try: "--metrics without it, or another input")
    }
    for set in [reference, samples] {
      switch metric {
      case .frechet, .inceptionScore: continue
      case .spatialFrechet: if set.spatialStatistics == nil { return words("spatial features", set) }
      case .kernel, .precisionRecall: if set.features == nil { return words("each image's features", set) }
      }
    }
    return metric == .inceptionScore && samples.logits == nil ? words("logits", samples) : nil
  }

  private func addFrechet(_ report: inout Report) throws {
    let value = try FrechetDistance.between(
      reference.gaussian(on: device), samples.gaussian(on: device), on: device)
    report.add(report.frechetName, value)
    warnOfFewImages(dimension: reference.dimension, report.frechetName, &report)
    warnOfUnequalCounts(report.frechetName, &report)
  }

  private func addSpatialFrechet(_ report: inout Report) throws {
    guard let a = reference.spatialStatistics, let b = samples.spatialStatistics else { return }
    let name = report.name(inception: "sfid", other: "sfd")
    report.add(name, try FrechetDistance.between(a, b, on: device))
    warnOfFewImages(dimension: a.dimension, name, &report)
    warnOfUnequalCounts(name, &report)
  }

  private func addInceptionScore(_ report: inout Report) throws {
    guard let logits = samples.logits else { return }
    let splits = options.splits ?? max(1, logits.count / 5000)
    let order = options.isSplitOrder
    let score = try InceptionScore(
      logits: logits, splits: splits, order: order == .random ? .random(seed: seed) : .file)
    let name = report.name(inception: "is", other: "is")
    report.add(name, score.mean, spread: score.standardDeviation, spreadName: "standard_deviation")
    report.settings["splits"] = .integer(splits)
    report.settings["is_split_order"] = .string(order.rawValue)
    if order == .file, splits > 1, InceptionScore.isInClassOrder(logits) {
      report.warnings.append(
        "\(name): the samples lie class after class, so that a split of consecutive images has few classes and scores far "
          + "too low; use --is-split-order random")
    }
    if options.splits == nil && logits.count < 5000 {
      report.warnings.append(
        "\(name): \(logits.count) images are one split; published scores use splits of 5000")
    }
  }

  private func addKernelDistance(_ report: inout Report) throws {
    guard let a = reference.features, let b = samples.features else { return }
    let distance = try KernelDistance(reference: a, samples: b, on: device)
    report.add(
      report.name(inception: "kid", other: "kd"), distance.value, spread: distance.standardError,
      spreadName: "standard_error")
  }

  private func addPrecisionRecall(_ report: inout Report) throws {
    guard let a = reference.features, let b = samples.features else { return }
    let both = try PrecisionRecall(reference: a, samples: b, k: options.k, on: device)
    report.add("precision", both.precision)
    report.add("recall", both.recall)
    report.settings["k"] = .integer(options.k)
    warnOfUnequalCounts("precision and recall", &report)
  }

  private func addExtrapolation(_ report: inout Report) throws {
    guard let features = samples.features else {
      throw ToolError(
        .badData, samples.path,
        expected: "features or images, for --fid-infinity",
        found: "statistics",
        try: "images")
    }
    let limit = try ExtrapolatedFrechet(
      reference: reference.gaussian(on: device), samples: features, seed: seed, on: device)
    report.add(
      report.frechetName + "-infinity", limit.value, spread: limit.standardError, spreadName: "standard_error"
    )
    report.settings["infinity_points"] = .array(
      limit.points.map { ["images": .integer($0.count), "distance": .number($0.distance)] })
  }

  private func addDuplicates(_ report: inout Report) {
    if let hashes = samples.pixelHashes {
      report.duplicates = Duplicates(samples: hashes, reference: reference.pixelHashes)
    } else if let rows = samples.features {
      let references = reference.features.map { matrix in (0..<matrix.count).map { matrix[$0] } }
      report.duplicates = Duplicates(samples: (0..<rows.count).map { rows[$0] }, reference: references)
    }
  }

  // MARK: Warnings

  private func warnOfFewImages(dimension: Int, _ name: String, _ report: inout Report) {
    for (role, count) in [("reference", reference.count), ("samples", samples.count)] {
      guard let count, count <= dimension else { continue }
      report.warnings.append(
        "\(name): \(count) images (\(role)) for \(dimension) features: the covariance is singular and the distance far "
          + "too large; use more than \(dimension), or compare only runs of equal N")
    }
  }

  private func warnOfUnequalCounts(_ name: String, _ report: inout Report) {
    guard let a = reference.count, let b = samples.count, a != b else { return }
    report.warnings.append(
      "\(name): \(a) references and \(b) samples: its bias depends on both numbers; compare only "
        + "results of equal numbers")
  }
}
