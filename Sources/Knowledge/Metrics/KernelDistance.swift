import COpenBLAS
import TensorCore

/// Kernel distance, KID where the features are Inception's: the unbiased estimate of the squared maximum mean
/// discrepancy under the kernel (x·y / d + 1)³, over all pairs of images.
///
/// The usual implementations average the same estimate over random subsets of 1000; its expectation is the same and
/// its scatter larger. The standard error here is the jackknife's that leaves out one image at a time, which the sums
/// over each image's pairs give for free: no seed, no subset size, and no dependence on the order of images.
public struct KernelDistance: Sendable, Equatable {
  /// The estimate; may be slightly negative for equal distributions, since it is unbiased.
  public let value: Double
  /// Its standard error.
  public let standardError: Double

  /// - Throws: `MetricsError.dimensionMismatch`, `.tooFewImages` below 3 on either side,
  ///   `.notFinite`.
  public init(
    reference: FeatureMatrix, samples: FeatureMatrix, on device: Device
  ) throws(MetricsError) {
    try requireSameDimension(reference.dimension, samples.dimension)
    for side in [reference, samples] {
      try require(3, for: "kernel distance", found: side.count)
      try side.requireFinite()
    }
    let (n, m) = (Double(reference.count), Double(samples.count))
    let within = KernelSums.within(reference, on: device)
    let withinSamples = KernelSums.within(samples, on: device)
    let across = KernelSums.across(reference, samples, on: device)
    let (a, b, c) = (within.total, withinSamples.total, across.total)
    value = a / (n * (n - 1)) + b / (m * (m - 1)) - 2 * c / (n * m)
    let withoutReference = zip(within.rows, across.rows).map {
      (a - 2 * $0) / ((n - 1) * (n - 2)) + b / (m * (m - 1)) - 2 * (c - $1) / ((n - 1) * m)
    }
    let withoutSample = zip(withinSamples.rows, across.columns).map {
      a / (n * (n - 1)) + (b - 2 * $0) / ((m - 1) * (m - 2)) - 2 * (c - $1) / (n * (m - 1))
    }
    standardError = (jackknifeVariance(withoutReference) + jackknifeVariance(withoutSample)).squareRoot()
  }
}

/// (n - 1) / n times the sum of squared deviations of the estimates that leave one out.
private func jackknifeVariance(_ estimates: [Double]) -> Double {
  let n = Double(estimates.count)
  let mean = estimates.reduce(0, +) / n
  return (n - 1) / n * estimates.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
}

/// Sums of the kernel over the pairs that each image is part of.
struct KernelSums {
  /// Sum over the columns, for each row.
  var rows: [Double]
  /// Sum over the rows, for each column.
  var columns: [Double]
  /// Sum over all pairs.
  var total: Double { rows.reduce(0, +) }

  private static let block = 128

  /// Pairs of different images of one set, each counted for both of its images.
  static func within(_ x: FeatureMatrix, on device: Device) -> KernelSums {
    var sums = sum(x, x, symmetric: true, on: device)
    for i in 0..<x.count { sums.rows[i] += sums.columns[i] }
    sums.columns = sums.rows
    return sums
  }

  /// Pairs of an image of `x` and one of `y`.
  static func across(_ x: FeatureMatrix, _ y: FeatureMatrix, on device: Device) -> KernelSums {
    sum(x, y, symmetric: false, on: device)
  }

  /// With `symmetric`, only pairs (i, j) with i < j.
  private static func sum(_ x: FeatureMatrix, _ y: FeatureMatrix, symmetric: Bool, on device: Device)
    -> KernelSums
  {
    let (n, m, d) = (x.count, y.count, x.dimension)
    let threads = device.threads.count
    var sums = KernelSums(rows: .init(repeating: 0, count: n), columns: .init(repeating: 0, count: m))
    var partial = [Double](repeating: 0, count: threads * m)
    var products = [Double](repeating: 0, count: threads * block * m)
    sums.rows.withUnsafeMutableBufferPointer { rowSums in
      partial.withUnsafeMutableBufferPointer { partial in
        products.withUnsafeMutableBufferPointer { products in
          x.elements.withUnsafeBufferPointer { x in
            y.elements.withUnsafeBufferPointer { y in
              device.forBlocks(n, size: block) { rows, thread in
                let first = symmetric ? rows.lowerBound : 0
                let c = products.baseAddress! + thread * block * m
                cblas_dgemm(
                  CblasRowMajor, CblasNoTrans, CblasTrans, Int32(rows.count), Int32(m - first), Int32(d),
                  1 / Double(d),
                  x.baseAddress! + rows.lowerBound * d, Int32(d), y.baseAddress! + first * d, Int32(d), 0, c,
                  Int32(m))
                for i in rows {
                  rowSums[i] = addCubes(
                    c + (i - rows.lowerBound) * m - first, from: symmetric ? i + 1 : 0, to: m,
                    partial.baseAddress! + thread * m)
                }
              }
            }
          }
        }
      }
    }
    for thread in 0..<threads { for j in 0..<m { sums.columns[j] += partial[thread * m + j] } }
    return sums
  }

  /// Adds (p + 1)³ of products p to the columns' sums; returns their sum.
  private static func addCubes(
    _ products: UnsafePointer<Double>, from first: Int, to end: Int, _ columns: UnsafeMutablePointer<Double>
  ) -> Double {
    var sum = 0.0
    for j in first..<max(first, end) {
      let value = products[j] + 1
      let cube = value * value * value
      columns[j] += cube
      sum += cube
    }
    return sum
  }
}
