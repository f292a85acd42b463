import TensorCore

/// Precision and recall of generated images (Kynkäänniemi et al. 2019): the share of samples inside the reference's
/// manifold, and the share of references inside the samples'.
public struct PrecisionRecall: Sendable, Equatable {
  /// Share of samples inside the reference's manifold.
  public let precision: Double
  /// Share of references inside the samples' manifold.
  public let recall: Double

  /// - Parameter k: which neighbour's distance is the radius.
  /// - Throws: `MetricsError.dimensionMismatch`, `.tooFewImages` for fewer than k + 1 on either side.
  public init(
    reference: FeatureMatrix, samples: FeatureMatrix, k: Int = 3, on device: Device
  ) throws(MetricsError) {
    try requireSameDimension(reference.dimension, samples.dimension)
    precision = try Manifold(reference, k: k, on: device).share(of: samples)
    recall = try Manifold(samples, k: k, on: device).share(of: reference)
  }
}

/// The union of balls around the images of a set, each as large as the distance to the k-th nearest other.
struct Manifold {
  let squaredRadii: [Double]
  private let scan: DistanceScan
  private let device: Device

  init(_ features: FeatureMatrix, k: Int, on device: Device) throws(MetricsError) {
    let neighbours = try NearestNeighbours(k, within: features, on: device)
    squaredRadii = (0..<features.count).map { neighbours.squaredDistances[$0 * k + k - 1] }
    scan = DistanceScan(features, on: device)
    self.device = device
  }

  /// Share of the queries that lie in at least one ball, its surface included.
  func share(of queries: FeatureMatrix) -> Double {
    Double(contains(queries).reduce(0) { $0 + ($1 ? 1 : 0) }) / Double(queries.count)
  }

  func contains(_ queries: FeatureMatrix) -> [Bool] {
    let radii = squaredRadii.map { radius in
      let scaled = Float(radius * scan.scale * scan.scale)
      return (below: scaled.nextDown, above: scaled.nextUp)
    }
    var inside = [Bool](repeating: false, count: queries.count)
    var open = [[Int]](repeating: [], count: queries.count)
    inside.withUnsafeMutableBufferPointer { inside in
      open.withUnsafeMutableBufferPointer { open in
        scan.run(queries) { query, block in
          if inside[query] { return }
          inside[query] = compare(block, radii, &open[query])
        }
        device.forRanges(queries.count) { range in
          for query in range where !inside[query] {
            inside[query] = open[query].contains {
              scan.exact(query, of: queries, to: $0) <= squaredRadii[$0]
            }
          }
        }
      }
    }
    return inside
  }

  /// True if a ball surely holds the query; the balls that may hold it are added to `open`.
  private func compare(
    _ block: DistanceScan.Block, _ radii: [(below: Float, above: Float)], _ open: inout [Int]
  ) -> Bool {
    for i in 0..<block.count {
      let scale = block.queryNorm + block.norms[i]
      let lower = (scale - scan.tolerance * scale) - 2 * block.products[i]
      let radius = radii[block.first + i]
      if lower > radius.above { continue }
      if lower + 2 * scan.tolerance * scale < radius.below { return true }
      open.append(block.first + i)
    }
    return false
  }
}
