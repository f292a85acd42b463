import TensorCore

/// Features or logits of images: [count, dimension], row-major, float64.
public struct FeatureMatrix: Sendable, Equatable {
  /// Number of images.
  public private(set) var count: Int
  /// Numbers for each.
  public let dimension: Int
  /// All numbers, an image after another.
  public private(set) var elements: [Double]

  /// - Parameter elements: `count * dimension` numbers, an image after another.
  public init(count: Int, dimension: Int, elements: [Double]) {
    precondition(dimension > 0, "FeatureMatrix: dimension \(dimension)")
    precondition(
      elements.count == count * dimension,
      "FeatureMatrix: \(elements.count) elements for [\(count), \(dimension)]")
    (self.count, self.dimension, self.elements) = (count, dimension, elements)
  }

  /// No images yet.
  public init(dimension: Int) { self.init(count: 0, dimension: dimension, elements: []) }

  /// The rows of a tensor [n, d], widened.
  public init(_ tensor: Tensor) {
    self.init(
      count: tensor.rowCount, dimension: tensor.lastDimension, elements: tensor.buffer.map { Double($0) })
  }

  /// One image's numbers; slices share the matrix's memory.
  public subscript(row: Int) -> ArraySlice<Double> { elements[row * dimension..<(row + 1) * dimension] }

  /// Adds images at the end.
  public mutating func append(_ other: FeatureMatrix) {
    precondition(other.dimension == dimension, "FeatureMatrix: \(other.dimension) columns after \(dimension)")
    elements += other.elements
    count += other.count
  }

  /// The given rows, in the given order.
  public func rows(_ rows: some Collection<Int>) -> FeatureMatrix {
    var gathered: [Double] = []
    gathered.reserveCapacity(rows.count * dimension)
    for row in rows { gathered += self[row] }
    return FeatureMatrix(count: rows.count, dimension: dimension, elements: gathered)
  }

  /// The largest magnitude of a feature: its powers, which the metrics take, still fit into float64.
  public static let largestMagnitude = 1e40

  /// Throws `MetricsError.notFinite` for the first NaN, infinity, or number above the largest magnitude.
  public func requireFinite() throws(MetricsError) {
    if let bad = elements.firstIndex(where: { !($0.magnitude <= Self.largestMagnitude) }) {
      throw .notFinite(row: bad / dimension, column: bad % dimension)
    }
  }

  /// Mean of each column; zeros for no rows.
  var columnMeans: [Double] {
    var sums = [Double](repeating: 0, count: dimension)
    elements.withUnsafeBufferPointer { x in
      for row in 0..<count { for k in 0..<dimension { sums[k] += x[row * dimension + k] } }
    }
    return sums.map { $0 / Double(max(count, 1)) }
  }
}

/// Throws `MetricsError.dimensionMismatch` unless both sides have features of one length.
func requireSameDimension(_ reference: Int, _ samples: Int) throws(MetricsError) {
  guard reference == samples else { throw .dimensionMismatch(reference: reference, samples: samples) }
}

/// Throws `MetricsError.tooFewImages` unless there are enough for a metric.
func require(_ needed: Int, for metric: String, found: Int) throws(MetricsError) {
  guard found >= needed else { throw .tooFewImages(metric: metric, found: found, needed: needed) }
}
