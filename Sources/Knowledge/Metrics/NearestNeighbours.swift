import TensorCore

/// The nearest references of each query, exactly.
public struct NearestNeighbours: Sendable, Equatable {
  /// Neighbours of each query.
  public let neighbourCount: Int
  /// Rows of the references [queries, neighbours], nearest first; the first of equals comes first.
  public let indices: [Int]
  /// Their squared Euclidean distances.
  public let squaredDistances: [Double]

  /// Searches the references for each query's nearest.
  /// - Throws: `MetricsError.dimensionMismatch`, `.tooFewImages` for fewer references than neighbours.
  public init(
    _ count: Int, of queries: FeatureMatrix, in references: FeatureMatrix, on device: Device
  ) throws(MetricsError) {
    try self.init(count, of: queries, in: references, excludingSelf: false, on: device)
  }

  /// Searches a set for each member's nearest others.
  /// - Throws: `MetricsError.tooFewImages` for fewer than `count + 1`.
  public init(_ count: Int, within set: FeatureMatrix, on device: Device) throws(MetricsError) {
    try self.init(count, of: set, in: set, excludingSelf: true, on: device)
  }

  private init(
    _ count: Int, of queries: FeatureMatrix, in references: FeatureMatrix, excludingSelf: Bool,
    on device: Device
  ) throws(MetricsError) {
    precondition(count >= 1, "NearestNeighbours: \(count) neighbours")
    try requireSameDimension(references.dimension, queries.dimension)
    try require(count + (excludingSelf ? 1 : 0), for: "\(count) nearest neighbours", found: references.count)
    try references.requireFinite()
    if !excludingSelf { try queries.requireFinite() }
    let scan = DistanceScan(references, on: device)
    var candidates = [Candidates](repeating: Candidates(count), count: queries.count)
    candidates.withUnsafeMutableBufferPointer { candidates in
      scan.run(queries) { query, block in
        candidates[query].add(block, tolerance: scan.tolerance, except: excludingSelf ? query : -1)
      }
    }
    var (indices, distances) = ([Int](repeating: 0, count: queries.count * count), [Double]())
    distances = [Double](repeating: 0, count: queries.count * count)
    indices.withUnsafeMutableBufferPointer { indices in
      distances.withUnsafeMutableBufferPointer { distances in
        device.forRanges(queries.count) { range in
          for query in range {
            let nearest = candidates[query].nearest { scan.exact(query, of: queries, to: $0) }
            for (i, neighbour) in nearest.enumerated() {
              indices[query * count + i] = neighbour.index
              distances[query * count + i] = neighbour.distance
            }
          }
        }
      }
    }
    (neighbourCount, self.indices, squaredDistances) = (count, indices, distances)
  }

  /// The neighbours of one query, nearest first.
  public subscript(query: Int) -> [(index: Int, squaredDistance: Double)] {
    (query * neighbourCount..<(query + 1) * neighbourCount).map { (indices[$0], squaredDistances[$0]) }
  }
}

/// The references that can still be among the nearest of one query.
private struct Candidates {
  private let count: Int
  private var found: [(lower: Float, index: Int)] = []
  /// The smallest upper bounds, ascending: the last is above the distance that counts.
  private var bounds: [Float]

  init(_ count: Int) {
    self.count = count
    bounds = [Float](repeating: .infinity, count: count)
  }

  mutating func add(_ block: DistanceScan.Block, tolerance: Float, except own: Int) {
    var limit = bounds[count - 1]
    for i in 0..<block.count {
      let scale = block.queryNorm + block.norms[i]
      let bound = (scale - tolerance * scale) - 2 * block.products[i]
      // What is not finite says nothing: the reference stays a candidate.
      let lower = bound.isFinite ? bound : -.infinity
      if lower > limit || block.first + i == own { continue }
      found.append((lower, block.first + i))
      if lower.isFinite { insert(lower + 2 * tolerance * scale) }
      limit = bounds[count - 1]
    }
  }

  private mutating func insert(_ upper: Float) {
    var place = count - 1
    if upper >= bounds[place] { return }
    while place > 0, bounds[place - 1] > upper {
      bounds[place] = bounds[place - 1]
      place -= 1
    }
    bounds[place] = upper
  }

  func nearest(_ exact: (Int) -> Double) -> [(index: Int, distance: Double)] {
    var nearest: [(index: Int, distance: Double)] = []
    for candidate in found where candidate.lower <= bounds[count - 1] {
      let distance = exact(candidate.index)
      if nearest.count == count, distance >= nearest[count - 1].distance { continue }
      let place = nearest.firstIndex { distance < $0.distance } ?? nearest.count
      nearest.insert((candidate.index, distance), at: place)
      if nearest.count > count { nearest.removeLast() }
      // Nothing is nearer than a copy: in a collapsed set, everything is a candidate.
      if nearest.count == count, nearest[count - 1].distance == 0 { break }
    }
    return nearest
  }
}
