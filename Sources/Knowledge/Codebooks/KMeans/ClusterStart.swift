import TensorCore

extension CodeVectors {
  /// Means of the vectors of each cluster, summed in float64 in the order of the vectors; an empty
  /// cluster keeps its vector of `previous`.
  func means(clusterOf: [UInt32], previous: CodeVectors) -> CodeVectors {
    var sums = [Double](repeating: 0, count: previous.count * dimension)
    var members = [Int](repeating: 0, count: previous.count)
    elements.withUnsafeBufferPointer { x in
      sums.withUnsafeMutableBufferPointer { sums in
        for row in 0..<count {
          let cluster = Int(clusterOf[row])
          members[cluster] += 1
          for k in 0..<dimension { sums[cluster * dimension + k] += Double(x[row * dimension + k]) }
        }
      }
    }
    var means = previous.elements
    for cluster in 0..<previous.count where members[cluster] > 0 {
      for k in cluster * dimension..<(cluster + 1) * dimension {
        means[k] = Float(sums[k] / Double(members[cluster]))
      }
    }
    return CodeVectors(count: previous.count, dimension: dimension, elements: means)
  }

  /// Sum over the vectors of the squared distance to their centroid.
  func squaredError(clusterOf: [UInt32], centroids: CodeVectors) -> Double {
    (0..<count).reduce(0) { $0 + squaredDistance($1, to: centroids, Int(clusterOf[$1])) }
  }
}

/// How the first centroids of a clustering are chosen.
public enum ClusterStart: Sendable, Equatable {
  /// Distinct random vectors.
  case random
  /// k-means++: each next vector with probability proportional to its squared distance to the nearest
  /// chosen one. From 1,024 centroids on, sixteen are drawn at a time.
  case kMeansPlusPlus
  /// Greedy k-means++: each next vector is the best of 2 + ln(count) that k-means++ draws, the one that leaves
  /// the smallest sum of squared distances to the nearest chosen ones.
  case greedyKMeansPlusPlus
  /// The vectors of the given rows.
  case rows([Int])

  /// Rows of the first centroids.
  func choose(_ count: Int, of vectors: CodeVectors, random: inout CounterRandom, on device: Device)
    throws(CodebookError) -> [Int]
  {
    guard vectors.count >= count else {
      throw .tooFewVectors(vectors: vectors.count, centroids: count)
    }
    switch self {
    case .random: return Array(random.permutation(vectors.count).prefix(count))
    case .kMeansPlusPlus:
      return chooseByDistance(count, of: vectors, random: &random, on: device)
    case .greedyKMeansPlusPlus:
      var start = GreedyStart(vectors, count: count)
      return start.choose(random: &random, on: device)
    case .rows(let rows):
      guard rows.count == count, Set(rows).count == count, rows.allSatisfy(vectors.indices.contains) else {
        throw .badStart(rows: rows.count, centroids: count, codes: vectors.count)
      }
      return rows
    }
  }
}

extension CodeVectors {
  var indices: Range<Int> { 0..<count }
}

private func chooseByDistance(
  _ count: Int, of vectors: CodeVectors, random: inout CounterRandom, on device: Device
) -> [Int] {
  let batch = count >= 1024 ? 16 : 1
  var chosen = [random.integer(below: vectors.count)]
  var isChosen = [Bool](repeating: false, count: vectors.count)
  isChosen[chosen[0]] = true
  var distances = [Float](repeating: .infinity, count: vectors.count)
  var newest = chosen
  while chosen.count < count {
    let found = NearestCode(vectors.rows(newest), on: device).find(vectors).distances
    var total = 0.0
    var cumulative = [Double](repeating: 0, count: vectors.count)
    for row in vectors.indices {
      distances[row] = isChosen[row] ? 0 : min(distances[row], found[row])
      total += Double(distances[row])
      cumulative[row] = total
    }
    newest.removeAll()
    for _ in 0..<min(batch, count - chosen.count) {
      let target = random.uniform() * total
      // If only copies of chosen vectors are left, the first of them are taken.
      let drawn = total > 0 ? cumulative.partitionPoint { $0 > target } : vectors.count
      let row = drawn < vectors.count && !isChosen[drawn] ? drawn : isChosen.firstIndex(of: false)
      guard let row else { break }
      isChosen[row] = true
      newest.append(row)
    }
    chosen += newest
  }
  return chosen
}

extension Array {
  /// The first index whose element fulfils a predicate that holds from some index on.
  func partitionPoint(_ predicate: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if predicate(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
