@testable import Codebooks
import TensorCore
import Testing

@Suite struct AverageLinkageTests {
  let device = Device(threadCount: 2)

  /// The slow obvious version: over and over joins the two clusters whose pairs of codes are closest on
  /// average; labels in the order of first codes.
  private func naive(_ codes: CodeVectors, clusterCount: Int) -> [UInt32] {
    var clusters = codes.indices.map { [$0] }
    while clusters.count > clusterCount {
      var best = (one: 0, other: 1, distance: Double.infinity)
      for one in clusters.indices {
        for other in 0..<one {
          let distance = meanSquaredDistance(codes, clusters[one], clusters[other])
          if distance < best.distance { best = (other, one, distance) }
        }
      }
      clusters[best.one] += clusters.remove(at: best.other)
    }
    var clusterOf = [UInt32](repeating: 0, count: codes.count)
    for (label, cluster) in clusters.sorted(by: { $0.min() ?? 0 < $1.min() ?? 0 }).enumerated() {
      for code in cluster { clusterOf[code] = UInt32(label) }
    }
    return clusterOf
  }

  private func meanSquaredDistance(_ codes: CodeVectors, _ one: [Int], _ other: [Int]) -> Double {
    let sum = one.reduce(0.0) { sum, a in
      other.reduce(sum) { $0 + codes.squaredDistance(a, to: codes, $1) }
    }
    return sum / Double(one.count * other.count)
  }

  @Test(arguments: [(40, 3, 0), (60, 8, 5), (25, 1, 0)], 0..<4 as Range<UInt64>)
  func joinsWhatTheNaiveVersionJoins(task: (count: Int, dimension: Int, clumps: Int), seed: UInt64) throws {
    let vectors = randomVectors(task.count, dimension: task.dimension, clumps: task.clumps, seed: seed)
    for codes in [vectors, task.dimension > 1 ? vectors.normalized(on: device) : vectors] {
      for count in [1, 2, 7, task.count - 1, task.count] {
        let found = try AverageLinkage(clusterCount: count).run(codes)
        #expect(found.clusterOf == naive(codes, clusterCount: count))
      }
    }
  }

  @Test func copiesAreJoinedFirst() throws {
    let few = randomVectors(20, dimension: 4, seed: 70)
    let codes = few.rows((0..<200).map { $0 % 20 })
    let found = try AverageLinkage(clusterCount: 20).run(codes)
    #expect(found.clusterOf == (0..<200).map { UInt32($0 % 20) })
    for count in [1, 3, 20, 64, 200] {
      let clusters = try AverageLinkage(clusterCount: count).run(codes)
      #expect(throws: Never.self) { try CodePartition(clusterOf: clusters.clusterOf, clusterCount: count) }
    }
  }

  @Test func badCodesAreRefused() {
    let codes = randomVectors(4, dimension: 2, seed: 71)
    #expect(throws: CodebookError.tooFewVectors(vectors: 4, centroids: 5)) {
      try AverageLinkage(clusterCount: 5).run(codes)
    }
    #expect(throws: CodebookError.notFinite(vector: 1)) {
      try AverageLinkage(clusterCount: 1).run(CodeVectors(count: 2, dimension: 1, elements: [0, .nan]))
    }
  }
}
