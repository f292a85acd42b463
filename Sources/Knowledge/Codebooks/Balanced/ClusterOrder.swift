import TensorCore

extension BalancedPartition {
  /// The order of a rearranged codebook (IAR): cluster c occupies `c * clusterSize ..< (c + 1) *
  /// clusterSize`, and inside it the codes form a nearest-neighbour chain that starts at the member
  /// closest to the centre and grows by turns at its back and at its front. The released code does the
  /// latter; the paper does not mention it.
  /// - Parameter codes: the vectors that were clustered.
  public func order(_ codes: CodeVectors, on device: Device) -> CodePermutation {
    precondition(codes.count == clusterOf.count, "BalancedPartition.order: \(codes.count) codes")
    let members = members()
    var newToOld = members
    newToOld.withUnsafeMutableBufferPointer { buffer in
      let newToOld = buffer
      device.forRanges(clusterCount) { clusters in
        for cluster in clusters {
          let range = cluster * clusterSize..<(cluster + 1) * clusterSize
          let chain = nearestNeighbourChain(codes.rows(Array(members[range])))
          for (place, member) in zip(range, chain) { newToOld[place] = members[range.lowerBound + member] }
        }
      }
    }
    guard let permutation = try? CodePermutation(newToOld: newToOld) else {
      preconditionFailure("BalancedPartition.order: the clusters do not hold each code once")
    }
    return permutation
  }
}

/// Row numbers in the order of the chain.
private func nearestNeighbourChain(_ vectors: CodeVectors) -> [Int] {
  let everywhere = [UInt32](repeating: 0, count: vectors.count)
  let centre = vectors.means(clusterOf: everywhere, previous: vectors.rows([0]))
  var rest = Array(vectors.indices)

  func takeNearest(to other: CodeVectors, _ row: Int) -> Int {
    var (nearest, smallest) = (0, Double.infinity)
    for (position, candidate) in rest.enumerated() {
      let distance = vectors.squaredDistance(candidate, to: other, row)
      if distance < smallest { (nearest, smallest) = (position, distance) }
    }
    return rest.remove(at: nearest)
  }

  let first = takeNearest(to: centre, 0)
  var (back, front) = ([first], [Int]())
  while !rest.isEmpty {
    if front.count == back.count - 1 {
      back.append(takeNearest(to: vectors, back[back.count - 1]))
    } else {
      front.append(takeNearest(to: vectors, front.last ?? first))
    }
  }
  return front.reversed() + back
}
