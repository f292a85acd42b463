import TensorCore

/// Distances of queries to references, fast and exact: float32 matrix products give each squared distance
/// within proven bounds, and only where the bounds leave a question open is it computed again in float64.
///
/// The product of two rows of length d has a rounding error below d u |x| |y| in any order of summation (u = 2^-24),
/// so with norms |x|², |y|² the squared distance lies within (d + 16) u (|x|² + |y|²) of what float32 says; the 16
/// allows for rounding the inputs and the norms. Rows are centred first, which leaves distances as they are and makes
/// norms, and with them the bounds, small; and they are scaled by a power of two, so that float32 holds the squares of
/// features of any size.
final class DistanceScan {
  let references: FeatureMatrix
  private let device: Device
  private let centre: [Double]
  private let rows: [Float]
  private let norms: [Float]
  /// Half of the width of the bounds, as a share of the two norms' sum.
  let tolerance: Float
  /// What rows are multiplied by before they become float32; squared distances are scaled by its square.
  let scale: Double

  private static let queryBlock = 256
  private static let referenceBlock = 1024

  init(_ references: FeatureMatrix, on device: Device) {
    (self.references, self.device) = (references, device)
    centre = references.columnMeans
    tolerance = Float(references.dimension + 16) * 0x1p-24
    scale = Self.scale(of: references, centre)
    (rows, norms) = Self.centred(references, centre, scale, 0..<references.count)
  }

  /// The power of two that brings the largest centred number to between 1 and 2.
  private static func scale(of matrix: FeatureMatrix, _ centre: [Double]) -> Double {
    var largest = 0.0
    matrix.elements.withUnsafeBufferPointer { x in
      for row in 0..<matrix.count {
        for k in centre.indices { largest = max(largest, (x[row * centre.count + k] - centre[k]).magnitude) }
      }
    }
    return largest > 0x1p-500 ? Double(sign: .plus, exponent: -largest.exponent, significand: 1) : 1
  }

  private static func centred(
    _ matrix: FeatureMatrix, _ centre: [Double], _ scale: Double, _ range: Range<Int>
  ) -> (rows: [Float], norms: [Float]) {
    let d = matrix.dimension
    var (rows, norms) = (
      [Float](repeating: 0, count: range.count * d), [Float](repeating: 0, count: range.count)
    )
    matrix.elements.withUnsafeBufferPointer { x in
      for (i, row) in range.enumerated() {
        var sum = 0.0
        for k in 0..<d {
          let value = (x[row * d + k] - centre[k]) * scale
          rows[i * d + k] = Float(value)
          sum += value * value
        }
        norms[i] = Float(sum)
      }
    }
    return (rows, norms)
  }

  /// What one query is told of one block of references: reference `first + i` is at scaled squared distance
  /// `queryNorm + norms[i] - 2 products[i]`, give or take `tolerance * (queryNorm + norms[i])`; a query so far from all
  /// references that this is no number has to be looked at in float64.
  struct Block {
    let first: Int
    let count: Int
    let queryNorm: Float
    let norms: UnsafePointer<Float>
    let products: UnsafePointer<Float>
  }

  /// Calls `visit` for every query with all blocks of references in order. One thread handles all blocks of a
  /// query; `visit(query, block)` must not touch what belongs to other queries.
  func run(_ queries: FeatureMatrix, _ visit: (Int, Block) -> Void) {
    precondition(queries.dimension == references.dimension, "DistanceScan: \(queries.dimension) columns")
    let (size, width) = (Self.queryBlock, Self.referenceBlock)
    var products = [Float](repeating: 0, count: device.threads.count * size * width)
    products.withUnsafeMutableBufferPointer { products in
      device.forBlocks(queries.count, size: size) { range, thread in
        let query = Self.centred(queries, centre, scale, range)
        let target = products.baseAddress! + thread * size * width
        for first in stride(from: 0, to: references.count, by: width) {
          let block = first..<min(references.count, first + width)
          multiply(query.rows, block, into: target)
          show(range, query.norms, block, target, visit)
        }
      }
    }
  }

  private func multiply(_ query: [Float], _ block: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    let d = references.dimension
    query.withUnsafeBufferPointer { query in
      rows.withUnsafeBufferPointer { rows in
        multiplySerially(
          m: query.count / d, n: block.count, k: d, MatrixOperand(query.baseAddress!, stride: d),
          MatrixOperand(rows.baseAddress! + block.lowerBound * d, stride: d, transposed: true), into: target,
          stride: Self.referenceBlock)
      }
    }
  }

  private func show(
    _ queries: Range<Int>, _ queryNorms: [Float], _ block: Range<Int>, _ products: UnsafePointer<Float>,
    _ visit: (Int, Block) -> Void
  ) {
    norms.withUnsafeBufferPointer { norms in
      for (i, query) in queries.enumerated() {
        visit(
          query,
          Block(
            first: block.lowerBound, count: block.count, queryNorm: queryNorms[i],
            norms: norms.baseAddress! + block.lowerBound, products: products + i * Self.referenceBlock))
      }
    }
  }

  /// Squared Euclidean distance of a query to a reference in float64; the same whichever of two rows is which.
  func exact(_ query: Int, of queries: FeatureMatrix, to reference: Int) -> Double {
    let d = references.dimension
    return queries.elements.withUnsafeBufferPointer { x in
      references.elements.withUnsafeBufferPointer { y in
        squaredDistance(x.baseAddress! + query * d, y.baseAddress! + reference * d, d)
      }
    }
  }
}

private func squaredDistance(_ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>, _ d: Int) -> Double {
  var lanes = SIMD8<Double>.zero
  var k = 0
  while k + 8 <= d {
    let a = UnsafeRawPointer(x + k).loadUnaligned(as: SIMD8<Double>.self)
    let difference = a - UnsafeRawPointer(y + k).loadUnaligned(as: SIMD8<Double>.self)
    lanes += difference * difference
    k += 8
  }
  var sum = lanes.sum()
  while k < d {
    sum += (x[k] - y[k]) * (x[k] - y[k])
    k += 1
  }
  return sum
}
