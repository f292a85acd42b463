import CKernels
import TensorCore

/// Vectors [count, dimension], row-major: the codes of a codebook, its centroids, or latents.
public struct CodeVectors: Sendable, Equatable {
  /// Number of vectors.
  public let count: Int
  /// Components of each.
  public let dimension: Int
  /// All components, a vector after another.
  public let elements: [Float]

  /// - Parameter elements: `count * dimension` components, a vector after another.
  public init(count: Int, dimension: Int, elements: [Float]) {
    precondition(dimension > 0, "CodeVectors: dimension \(dimension)")
    precondition(
      elements.count == count * dimension,
      "CodeVectors: \(elements.count) elements for [\(count), \(dimension)]")
    (self.count, self.dimension, self.elements) = (count, dimension, elements)
  }

  /// The rows of a tensor [..., d], copied.
  public init(_ tensor: Tensor) {
    self.init(count: tensor.rowCount, dimension: tensor.lastDimension, elements: tensor.toArray())
  }

  /// The vectors as a tensor [count, dimension].
  public func tensor(on device: Device) -> Tensor { device.tensor(elements, [count, dimension]) }

  /// One vector.
  public subscript(row: Int) -> ArraySlice<Float> { elements[row * dimension..<(row + 1) * dimension] }

  /// Each vector divided by its Euclidean norm (by 1e-12 where the norm is smaller).
  public func normalized(on device: Device) -> CodeVectors {
    let (rows, norms) = (device.empty([count, dimension]), device.empty([count]))
    elements.withUnsafeBufferPointer { x in
      guard let x = x.baseAddress else { return }
      tsr_l2_normalize(rows.pointer, norms.pointer, x, 1e-12, count, dimension)
    }
    return CodeVectors(rows)
  }

  /// The given rows, in the given order.
  public func rows(_ rows: [Int]) -> CodeVectors {
    var gathered: [Float] = []
    gathered.reserveCapacity(rows.count * dimension)
    for row in rows { gathered += self[row] }
    return CodeVectors(count: rows.count, dimension: dimension, elements: gathered)
  }

  /// Throws `CodebookError.notFinite` for the first vector with NaN or infinity.
  public func requireFinite() throws(CodebookError) {
    if let bad = elements.firstIndex(where: { !$0.isFinite }) { throw .notFinite(vector: bad / dimension) }
  }

  /// Squared Euclidean distance of a row to a row of other vectors, in float64.
  func squaredDistance(_ row: Int, to other: CodeVectors, _ otherRow: Int) -> Double {
    var sum = 0.0
    for k in 0..<dimension {
      let difference =
        Double(elements[row * dimension + k]) - Double(other.elements[otherRow * dimension + k])
      sum += difference * difference
    }
    return sum
  }
}
