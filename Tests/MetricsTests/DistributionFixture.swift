@testable import Metrics
import StreamFormat
import TensorCore
import TestSupport

/// Features and logits with the distances that NumPy and SciPy give for them in float64.
struct DistributionFixture {
  let reference: FeatureMatrix
  let samples: FeatureMatrix
  let logits: FeatureMatrix
  private let record: Record

  init() throws {
    record = try Fixture("metrics/distribution_metrics.safetensors").record
    reference = try FeatureMatrix(record.tensor("reference"))
    samples = try FeatureMatrix(record.tensor("samples"))
    logits = try FeatureMatrix(record.tensor("sample_logits"))
  }

  func expected(_ name: String) throws -> Double { try record.tensor(name).doubles()[0] }
}

extension FeatureMatrix {
  init(_ stored: StoredTensor) throws {
    self.init(count: stored.shape[0], dimension: stored.shape[1], elements: try stored.doubles())
  }

  /// Rows of independent normal numbers around `centre`, whose spread falls along the row.
  static func random(_ count: Int, dimension: Int, centre: Double = 0, seed: UInt64) -> FeatureMatrix {
    var random = CounterRandom(seed: seed, purpose: .test)
    let elements = (0..<count * dimension).map { centre + random.normal() / Double(1 + $0 % dimension % 7) }
    return FeatureMatrix(count: count, dimension: dimension, elements: elements)
  }

  /// The same rows in a random order.
  func shuffled(seed: UInt64) -> FeatureMatrix {
    var random = CounterRandom(seed: seed, purpose: .test, index: 1)
    return rows(random.permutation(count))
  }
}

/// Whether two numbers agree to a relative tolerance.
func agree(_ a: Double, _ b: Double, _ tolerance: Double) -> Bool { abs(a - b) <= tolerance * abs(b) }
