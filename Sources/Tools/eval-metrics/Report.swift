import Evaluation
import FoundationEssentials
import Glibc
import Metrics
import ToolRuntime

/// The results of a comparison, as JSON and as a table.
struct Report {
  private(set) var values: [Value] = []
  var settings: [String: JSONValue] = [:]
  var warnings: [String] = []
  var duplicates: Duplicates?
  private var network: NetworkIdentity?
  private var dimension = 0
  private var sides: [String: JSONValue] = [:]
  private let pairs: Bool

  /// A number and, if it has one, its standard error or deviation.
  struct Value {
    var name: String
    var value: Double
    var spread: (name: String, value: Double)?
  }

  /// - Parameter pairs: the samples are reconstructions of the reference, image by image.
  init(pairs: Bool) { self.pairs = pairs }

  mutating func add(_ name: String, _ value: Double, spread: Double? = nil, spreadName: String = "") {
    values.append(Value(name: name, value: value, spread: spread.map { (spreadName, $0) }))
  }

  /// Records the network and the inputs; must be called before the first metric.
  mutating func begin(_ reference: FeatureSet, _ samples: FeatureSet) {
    let known = [samples, reference].map(\.network).first { $0.weightsSHA256 != "unknown" }
    (network, dimension) = (known ?? samples.network, samples.dimension)
    for (role, set) in [("reference", reference), ("samples", samples)] {
      sides[role] = [
        "name": .string(set.path), "kind": .string(set.kind),
        "images": set.count.map { .integer($0) } ?? .null, "features": .integer(set.dimension),
      ]
    }
    if !isComparable, let network {
      warnings.append(
        "network \(network.name) with \(dimension) features is not the Inception of FID with 2048: these results are not comparable with published FID, KID "
          + "or precision and recall")
    }
    for set in [reference, samples] where set.statisticsAreStored {
      warnings.append(
        "\(set.path): its mean and covariance are those stored in the file; everything else is of its images")
    }
    if samples.network.weightsSHA256 != reference.network.weightsSHA256 {
      warnings.append(
        "\(reference.path): its weights are not recorded; that they are the samples' is a matter of trust")
    }
  }

  /// Notes images that were compared one by one.
  mutating func describePairs(_ reference: ImageSet, _ samples: ImageSet) {
    for (role, set) in [("reference", reference), ("samples", samples)] {
      sides[role] = ["name": .string(set.name), "images": .integer(set.count)]
    }
  }

  /// Notes the options that matter.
  mutating func describe(_ inputs: InputOptions, seed: UInt64) {
    settings["seed"] = .integer(Int(truncatingIfNeeded: seed))
    settings["size"] = inputs.size.map { .integer($0) } ?? .null
    settings["reference_part"] = .string(inputs.referencePart.rawValue)
    guard inputs.referencePart != .all else { return }
    settings["held_out"] = .number(inputs.heldOut.share.fraction)
    settings["split_seed"] = .integer(Int(truncatingIfNeeded: inputs.heldOut.splitSeed))
  }

  // MARK: Names

  /// FID is of Inception's 2,048 pooled features; the same distance of anything else has another name.
  private var isComparable: Bool { network.map { $0.isInception && dimension == 2048 } ?? true }

  /// A metric's name: its own with Inception, and with the network's name otherwise.
  func name(inception: String, other: String) -> String {
    isComparable ? inception : "\(other)-\(network?.name ?? "")"
  }

  /// Reconstructions have an `rfid`; generated images have a `fid`.
  var frechetName: String { name(inception: pairs ? "rfid" : "fid", other: pairs ? "rfd" : "fd") }

  // MARK: Forms

  private var protocolText: String {
    guard let network else { return "images compared one by one, in order" }
    return
      "\(network.name), \(network.resize); float64; covariance over n - 1; KID over all pairs, jackknife; "
      + "precision and recall by exact neighbours; IS over splits"
  }

  var json: [String: JSONValue] {
    var metrics: [String: JSONValue] = [:]
    for value in values {
      metrics[value.name] = .number(value.value)
      if let spread = value.spread { metrics["\(value.name)-\(spread.name)"] = .number(spread.value) }
    }
    var summary = settings.merging(sides) { $1 }
    summary["metrics"] = .object(metrics)
    summary["protocol"] = .string(protocolText)
    summary["warnings"] = .array(warnings.map { .string($0) })
    if let network {
      summary["network"] = .string(network.name)
      summary["weights_sha256"] = .string(network.weightsSHA256)
      summary["resize"] = .string(network.resize)
      summary["comparable_with_published"] = .bool(isComparable)
    }
    if let exactPairs { summary["exact_pairs"] = .integer(exactPairs) }
    if let duplicates {
      summary["duplicates"] = [
        "within_samples": .integer(duplicates.withinSamples),
        "in_reference": duplicates.inReference.map { .integer($0) } ?? .null,
      ]
    }
    return summary
  }

  /// Pairs whose images are equal; nil where no pairs were compared.
  var exactPairs: Int?

  var table: [String] {
    var lines = values.map { value in
      let spread = value.spread.map { " ± " + printed("%.6g", $0.value) } ?? ""
      return (value.name, printed("%.6g", value.value) + spread)
    }
    if let exactPairs { lines.append(("exact pairs", "\(exactPairs)")) }
    if let duplicates {
      lines.append(("duplicates within samples", "\(duplicates.withinSamples)"))
      if let copies = duplicates.inReference { lines.append(("samples in the reference", "\(copies)")) }
    }
    let width = lines.map(\.0.count).max() ?? 0
    return lines.map { $0.0 + String(repeating: " ", count: width + 2 - $0.0.count) + $0.1 }
  }
}
