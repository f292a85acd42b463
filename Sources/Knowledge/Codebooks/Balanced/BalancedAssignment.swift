import TensorCore

/// The greedy assignment of IAR's balanced k-means: vectors in ascending order of their smallest distance
/// (plus price), each to its nearest centroid that still has room.
///
/// Only a vector that finds its nearest centroid full searches again, among those with room.
func assignGreedily(
  _ vectors: CodeVectors, to centroids: CodeVectors, prices: [Float]? = nil, clusterSize: Int,
  on device: Device
) -> [UInt32] {
  var open = NearestCode(centroids, prices: prices, on: device)
  var (clusterOf, distances) = open.find(vectors)
  let order = ascendingOrder(distances)
  var room = [Int](repeating: clusterSize, count: centroids.count)
  vectors.elements.withUnsafeBufferPointer { x in
    guard let x = x.baseAddress else { return }
    for vector in order {
      if room[Int(clusterOf[vector])] == 0 {
        open.search(
          x + vector * vectors.dimension, rows: 1, codes: &clusterOf[vector], distances: &distances[vector])
      }
      let cluster = Int(clusterOf[vector])
      room[cluster] -= 1
      if room[cluster] == 0 { open.exclude(cluster) }
    }
  }
  return clusterOf
}

/// Indices by ascending value; the first of equals comes first.
private func ascendingOrder(_ values: [Float]) -> [Int] {
  // Sorting integers that compare like (value, index) is several times faster than sorting by a closure.
  var keys = values.enumerated().map { index, value -> UInt64 in
    let bits = value.bitPattern
    let ordered = bits & 0x8000_0000 == 0 ? bits | 0x8000_0000 : ~bits
    return UInt64(ordered) << 32 | UInt64(index)
  }
  keys.sort()
  return keys.map { Int($0 & 0xffff_ffff) }
}
