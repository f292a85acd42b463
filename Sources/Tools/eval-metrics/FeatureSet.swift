import FeatureNetworks
import Images
import Metrics
import StreamFormat
import TensorCore
import ToolKit

/// Which side of a comparison something is on.
enum Role: String {
  case reference
  case samples
}

/// What features came from: two sets are comparable only if all three agree.
struct NetworkIdentity: Equatable {
  var name: String
  var weightsSHA256: String
  var resize: String

  /// The one network whose Fréchet distance is FID.
  static let inception = "inception-v3"
  /// What stands where a file does not say.
  static let unnamed = "unnamed"

  init(name: String, weightsSHA256: String, resize: String) {
    (self.name, self.weightsSHA256, self.resize) = (name, weightsSHA256, resize)
  }

  init(_ network: any FeatureNetwork) {
    self.init(name: network.name, weightsSHA256: network.weightsSHA256, resize: network.resize)
  }

  init(_ record: Record) {
    self.init(
      name: record.metadata["network"] ?? Self.unnamed,
      weightsSHA256: record.metadata["weights_sha256"] ?? "unknown",
      resize: record.metadata["resize"] ?? "unknown")
  }

  var isInception: Bool { name == Self.inception }

  var metadata: [String: String] { ["network": name, "weights_sha256": weightsSHA256, "resize": resize] }
}

/// What is known of the images of one role.
struct FeatureSet {
  var path: String
  /// `folder`, `archive`, `tokens`, `features` or `statistics`.
  var kind: String
  var network: NetworkIdentity
  /// Number of images; nil where stored statistics do not tell.
  var count: Int?
  var features: FeatureMatrix?
  var logits: FeatureMatrix?
  var statistics: GaussianStatistics?
  var spatialStatistics: GaussianStatistics?
  /// SHA-256 of each image's pixels.
  var pixelHashes: [String]?

  /// Length of a feature vector.
  var dimension: Int { features?.dimension ?? statistics?.dimension ?? 0 }

  /// Mean and covariance, computed if they were not stored.
  func gaussian(on device: Device) throws -> GaussianStatistics {
    if let statistics { return statistics }
    guard let features else { preconditionFailure("a feature set has features or statistics") }
    return try GaussianStatistics(features, on: device)
  }
}

/// Gathers the features of one role's images, batch by batch.
struct FeatureGatherer {
  private(set) var set: FeatureSet
  private var spatial: GaussianAccumulator?
  private let device: Device

  init(path: String, kind: String, network: NetworkIdentity, on device: Device) {
    set = FeatureSet(path: path, kind: kind, network: network, count: 0)
    self.device = device
  }

  /// Adds a batch; every batch must bring the same kinds of features.
  mutating func add(
    features: FeatureMatrix, spatial batch: FeatureMatrix?, logits: FeatureMatrix?, pixelHashes: [String]?
  ) throws {
    try require(features.dimension == set.features?.dimension ?? features.dimension, "features of one length")
    let isFirst = set.features == nil
    try require(isFirst || (batch != nil) == (spatial != nil), "spatial features in all records or in none")
    try require(isFirst || (logits != nil) == (set.logits != nil), "logits in all records or in none")
    try require(
      isFirst || (pixelHashes != nil) == (set.pixelHashes != nil),
      "hashes of pixels in all records or in none")
    for matrix in [features, batch, logits] {
      guard let matrix else { continue }
      try requireFinite(matrix)
    }
    append(features, to: &set.features)
    if let logits { append(logits, to: &set.logits) }
    if let batch {
      var sums = spatial ?? GaussianAccumulator(dimension: batch.dimension)
      sums.add(batch, on: device)
      spatial = sums
    }
    if let pixelHashes { set.pixelHashes = (set.pixelHashes ?? []) + pixelHashes }
    set.count = set.features?.count
  }

  private func append(_ matrix: FeatureMatrix, to whole: inout FeatureMatrix?) {
    // Taken out and put back, so that appending does not copy what is there.
    var taken = whole ?? FeatureMatrix(dimension: matrix.dimension)
    whole = nil
    taken.append(matrix)
    whole = taken
  }

  /// Everything gathered.
  func finish() throws -> FeatureSet {
    guard (set.count ?? 0) > 0 else {
      throw ToolError(.badData, "\(set.path): expected at least one image; found none; try: another input")
    }
    var set = set
    if set.count ?? 0 >= 2 { set.spatialStatistics = try spatial?.statistics() }
    return set
  }

  private func requireFinite(_ matrix: FeatureMatrix) throws {
    do { try matrix.requireFinite() } catch {
      guard case .notFinite(let row, let column) = error else { throw error }
      throw ToolError(
        .badData,
        "\(set.path): image \((set.count ?? 0) + row): expected finite features; found NaN or infinity in column "
          + "\(column); try: extract them again")
    }
  }

  private func require(_ holds: Bool, _ expected: String) throws {
    if holds { return }
    throw ToolError(
      .badData,
      "\(set.path): image \(set.count ?? 0): expected \(expected); found a change; try: extract them again")
  }
}
