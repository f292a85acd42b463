import FeatureNetworks
import Images
import Metrics
import StreamFormat
import TensorCore

/// The network, weights and resizing of features. Two sets are comparable only if all three agree.
public struct NetworkIdentity: Equatable {
  public var name: String
  public var weightsSHA256: String
  public var resize: String

  /// The one network whose Fréchet distance is FID.
  public static let inception = "inception-v3"
  /// The name for a file that names no network.
  public static let unnamed = "unnamed"

  public init(name: String, weightsSHA256: String, resize: String) {
    (self.name, self.weightsSHA256, self.resize) = (name, weightsSHA256, resize)
  }

  public init(_ network: any FeatureNetwork) {
    self.init(name: network.name, weightsSHA256: network.weightsSHA256, resize: network.resize)
  }

  /// That of a record of features.
  /// - Throws: ``EvaluationError`` for words that no message could hold.
  public init(_ record: Record) throws {
    func words(_ key: String, orElse missing: String) throws -> String {
      let found = record.metadata[key] ?? missing
      guard found.count <= Self.longestWords else {
        throw EvaluationError.badFeatures(
          place: "\(record.origin.file): record \(record.origin.record ?? 0)",
          expected: "'\(key)' of at most \(Self.longestWords) characters",
          found: "\(found.count)", hint: "extract the features again")
      }
      return found
    }
    self.init(
      name: try words("network", orElse: Self.unnamed),
      weightsSHA256: try words("weights_sha256", orElse: "unknown"),
      resize: try words("resize", orElse: "unknown"))
  }

  private static let longestWords = 100

  public var isInception: Bool { name == Self.inception }

  public var metadata: [String: String] {
    ["network": name, "weights_sha256": weightsSHA256, "resize": resize]
  }
}

/// The features of one side of a comparison, and what is known of their images.
public struct FeatureSet {
  public var path: String
  /// `folder`, `archive`, `tokens`, `features` or `statistics`.
  public var kind: String
  public var network: NetworkIdentity
  /// Number of images; nil if stored statistics lack it.
  public var count: Int?
  public var features: FeatureMatrix?
  public var logits: FeatureMatrix?
  public var statistics: GaussianStatistics?
  public var spatialStatistics: GaussianStatistics?
  /// SHA-256 of each image's pixels.
  public var pixelHashes: [String]?
  /// True where the statistics were in the input beside the images, and were not computed from them.
  public private(set) var statisticsAreStored = false

  public init(
    path: String, kind: String, network: NetworkIdentity, count: Int?, statistics: GaussianStatistics? = nil
  ) {
    (self.path, self.kind, self.network, self.count) = (path, kind, network, count)
    self.statistics = statistics
  }

  /// Takes the statistics that an input has beside its images, and with which published results were computed.
  public mutating func take(statisticsOf stored: FeatureSet) {
    statistics = stored.statistics
    spatialStatistics = stored.spatialStatistics ?? spatialStatistics
    statisticsAreStored = true
  }

  /// Length of a feature vector.
  public var dimension: Int { features?.dimension ?? statistics?.dimension ?? 0 }

  /// Mean and covariance, computed if they were not stored.
  public func gaussian(on device: Device) throws -> GaussianStatistics {
    if let statistics { return statistics }
    guard let features else { preconditionFailure("a feature set has features or statistics") }
    return try GaussianStatistics(features, on: device)
  }
}

/// Collects the features of one side, batch by batch.
public struct FeatureGatherer {
  public private(set) var set: FeatureSet
  private var spatial: GaussianAccumulator?
  private let device: Device

  public init(path: String, kind: String, network: NetworkIdentity, on device: Device) {
    set = FeatureSet(path: path, kind: kind, network: network, count: 0)
    self.device = device
  }

  /// Adds a batch; every batch must have the same kinds of features.
  public mutating func add(
    features: FeatureMatrix, spatial batch: FeatureMatrix?, logits: FeatureMatrix?, pixelHashes: [String]?
  ) throws {
    try require(features.dimension == set.features?.dimension ?? features.dimension, "features of one length")
    try require(
      batch?.dimension == spatial?.dimension ?? batch?.dimension, "spatial features of one length")
    try require(logits?.dimension == set.logits?.dimension ?? logits?.dimension, "logits of one length")
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
      try GaussianStatistics.requireDimension(batch.dimension)
      var sums = spatial ?? GaussianAccumulator(dimension: batch.dimension)
      sums.add(batch, on: device)
      spatial = sums
    }
    if let pixelHashes { set.pixelHashes = (set.pixelHashes ?? []) + pixelHashes }
    set.count = set.features?.count
  }

  private func append(_ matrix: FeatureMatrix, to whole: inout FeatureMatrix?) {
    // The array is moved out and back, so that appending does not copy it.
    var taken = whole ?? FeatureMatrix(dimension: matrix.dimension)
    whole = nil
    taken.append(matrix)
    whole = taken
  }

  /// All features that were added.
  public func finish() throws -> FeatureSet {
    guard (set.count ?? 0) > 0 else {
      throw EvaluationError.badFeatures(
        place: set.path, expected: "at least one image", found: "none", hint: "another input")
    }
    var set = set
    if set.count ?? 0 >= 2 { set.spatialStatistics = try spatial?.statistics() }
    return set
  }

  private func requireFinite(_ matrix: FeatureMatrix) throws {
    do { try matrix.requireFinite() } catch {
      guard case .notFinite(let row, let column) = error else { throw error }
      throw EvaluationError.badFeatures(
        place: "\(set.path): image \((set.count ?? 0) + row)", expected: "finite features",
        found: "NaN, infinity or a number above 1e40 in column \(column)", hint: "extract them again")
    }
  }

  private func require(_ holds: Bool, _ expected: String) throws {
    if holds { return }
    throw EvaluationError.badFeatures(
      place: "\(set.path): image \(set.count ?? 0)", expected: expected, found: "a change",
      hint: "extract them again")
  }
}
