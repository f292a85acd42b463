import FeatureNetworks
import Metrics
import StreamFormat
import TensorCore

// The two forms of a file of kind `features`; docs/metrics.md describes them.

extension Record {
  /// A batch of features, and the hashes of its images' pixels, as a record.
  public init(
    _ batch: FeatureBatch, pixelHashes: [String], _ network: NetworkIdentity, provenance: [String: String]
  ) {
    func stored(_ name: String, _ tensor: Tensor?) -> StoredTensor? {
      tensor.map {
        StoredTensor(
          name: name, shape: [$0.rowCount, $0.lastDimension], floats: UnsafeBufferPointer($0.buffer))
      }
    }
    self.init(
      kind: .features, metadata: network.metadata.merging(provenance) { own, _ in own },
      tensors: [
        stored("features", batch.features), stored("spatial", batch.spatial), stored("logits", batch.logits),
        StoredTensor(
          name: "pixels_sha256", shape: [pixelHashes.count, 32], uint8s: pixelHashes.flatMap(hashBytes)),
      ].compactMap { $0 })
  }

  /// The same tensors without any row: what a shard writes that has no images.
  public var withoutRows: Record {
    var record = self
    record.tensors = tensors.map {
      StoredTensor(
        name: $0.name, elementType: $0.elementType, shape: [0] + $0.shape.dropFirst(), bytes: [])
    }
    return record
  }

  /// The statistics of a set as a record.
  public init(statistics set: FeatureSet, on device: Device) throws {
    var metadata = set.network.metadata
    metadata["images"] = set.count.map(String.init)
    var tensors: [StoredTensor] = []
    func add(_ statistics: GaussianStatistics, _ prefix: String) {
      let d = statistics.dimension
      tensors.append(StoredTensor(name: prefix + "mean", shape: [d], doubles: statistics.mean))
      tensors.append(
        StoredTensor(name: prefix + "covariance", shape: [d, d], doubles: statistics.covariance))
    }
    add(try set.gaussian(on: device), "")
    if let spatial = set.spatialStatistics { add(spatial, "spatial_") }
    self.init(kind: .features, metadata: metadata, tensors: tensors)
  }

  /// The matrix of a name, or nil.
  public func matrix(_ name: String, rows: Int? = nil) throws -> FeatureMatrix? {
    guard self[name] != nil else { return nil }
    let stored = try tensor(name, shape: [rows, nil])
    guard stored.shape[1] > 0 else {
      throw FormatError(
        .wrongShape, at: origin, expected: "tensor '\(name)' with at least one column",
        found: "\(stored.shape)",
        hint: "extract the features again")
    }
    return FeatureMatrix(count: stored.shape[0], dimension: stored.shape[1], elements: try stored.doubles())
  }

  /// SHA-256 of the pixels of each image, in hexadecimal, or nil if the record has no hashes.
  public func pixelHashes(rows: Int?) throws -> [String]? {
    guard self["pixels_sha256"] != nil else { return nil }
    let stored = try tensor("pixels_sha256", shape: [rows, 32])
    guard stored.elementType == .uint8 else {
      throw FormatError(
        .wrongType, at: origin, expected: "tensor 'pixels_sha256' of U8", found: "\(stored.elementType)",
        hint: "extract the features again")
    }
    return stride(from: 0, to: stored.bytes.count, by: 32).map { hexadecimal(stored.bytes[$0..<$0 + 32]) }
  }

  /// Statistics of the record.
  public func statistics(_ prefix: String, count: Int?) throws -> GaussianStatistics {
    let mean = try tensor(prefix + "mean", shape: [nil])
    guard mean.shape[0] > 0 else {
      throw FormatError(
        .wrongShape, at: origin, expected: "tensor '\(prefix)mean' of at least one feature",
        found: "\(mean.shape)",
        hint: "compute the statistics again")
    }
    let covariance = try tensor(prefix + "covariance", shape: [mean.shape[0], mean.shape[0]])
    return try GaussianStatistics(
      count: count, mean: mean.doubles(), covariance: covariance.doubles(), of: origin.file)
  }
}

extension GaussianStatistics {
  /// Statistics that a file holds, so that messages name it.
  /// - Throws: ``EvaluationError/badFeatures(place:expected:found:hint:)``.
  public init(count: Int?, mean: [Double], covariance: [Double], of file: String) throws {
    do {
      try self.init(count: count, mean: mean, covariance: covariance)
    } catch {
      guard case .notACovariance(let reason) = error else {
        throw EvaluationError.badFeatures(
          place: file, expected: "finite statistics", found: "NaN or infinity", hint: "compute them again")
      }
      throw EvaluationError.badFeatures(
        place: file, expected: "a symmetric positive semi-definite covariance", found: reason,
        hint: "compute the statistics again")
    }
  }
}

/// Reads the records of a file of kind `features`, of which the first has already been read.
public struct FeatureFileReader {
  private let path: String
  private let device: Device

  public init(path: String, device: Device) { (self.path, self.device) = (path, device) }

  public func read(_ first: Record, then next: () throws -> Record?) throws -> FeatureSet {
    let network = try NetworkIdentity(first)
    if first["mean"] != nil {
      guard try next() == nil else {
        throw EvaluationError.badFeatures(
          place: path, expected: "one record of statistics", found: "a second one",
          hint: "compute them for all images together")
      }
      return try statistics(first, network)
    }
    var gatherer = FeatureGatherer(path: path, kind: "features", network: network, on: device)
    var record: Record? = first
    while let current = record {
      try current.require(kind: .features)
      let own = try NetworkIdentity(current)
      guard own == network else {
        throw EvaluationError.badFeatures(
          place: "\(path): record \(current.origin.record ?? 0)",
          expected: "features of network \(network.name) as in the first record",
          found: "\(own.name) or other weights", hint: "files of one network")
      }
      let features = try current.tensor("features")
      let rows = features.shape.first
      guard let matrix = try current.matrix("features", rows: rows) else { break }
      try gatherer.add(
        features: matrix, spatial: current.matrix("spatial", rows: rows),
        logits: current.matrix("logits", rows: rows), pixelHashes: current.pixelHashes(rows: rows))
      record = try next()
    }
    return try gatherer.finish()
  }

  private func statistics(_ record: Record, _ network: NetworkIdentity) throws -> FeatureSet {
    let count = record.metadata["images"] == nil ? nil : try record.integerMetadata("images", in: 2...Int.max)
    var set = FeatureSet(path: path, kind: "statistics", network: network, count: count)
    set.statistics = try record.statistics("", count: count)
    if record["spatial_mean"] != nil {
      set.spatialStatistics = try record.statistics("spatial_", count: count)
    }
    return set
  }
}

/// The bytes of hexadecimal digits.
private func hashBytes(_ digits: String) -> [UInt8] {
  let values = digits.utf8.map { UInt8(Character(UnicodeScalar($0)).hexDigitValue ?? 0) }
  return stride(from: 0, to: values.count, by: 2).map { values[$0] << 4 | values[$0 + 1] }
}

/// Lower-case hexadecimal digits of bytes.
private func hexadecimal(_ bytes: ArraySlice<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
