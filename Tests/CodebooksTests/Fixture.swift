@testable import Codebooks
import Foundation
import TensorCore
import Testing

/// Reference values of a balanced clustering, computed with PyTorch in float32.
struct BalancedFixture {
  let codes: CodeVectors
  let firstRows: [Int]
  let assignmentAfterOne: [UInt32]
  let assignment: [UInt32]
  let newToOld: [Int]
  let oldToNew: [Int]
  let innerMSESum: Double
  let meanDistance: Double

  init() throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../Fixtures/codebooks/balanced_kmeans.safetensors")
    let data = try Data(contentsOf: file)
    let headerSize = Int(data.prefix(8).enumerated().reduce(UInt64(0)) { $0 | UInt64($1.1) << (8 * $1.0) })
    let header = try #require(
      JSONSerialization.jsonObject(with: data[8..<8 + headerSize]) as? [String: [String: Any]])
    func words(_ name: String) throws -> [UInt32] {
      let offsets = try #require(header[name]?["data_offsets"] as? [Int])
      let bytes = data[(8 + headerSize + offsets[0])..<(8 + headerSize + offsets[1])]
      return [UInt8](bytes).withUnsafeBytes { raw in
        (0..<raw.count / 4).map {
          UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self))
        }
      }
    }
    codes = CodeVectors(
      count: 512, dimension: 8, elements: try words("codebook").map(Float.init(bitPattern:)))
    firstRows = try words("initial_centroids").map(Int.init)
    assignmentAfterOne = try words("assignment_after_1")
    assignment = try words("assignment")
    newToOld = try words("new_to_old").map(Int.init)
    oldToNew = try words("old_to_new").map(Int.init)
    innerMSESum = Double(Float(bitPattern: try words("inner_mse_sum")[0]))
    meanDistance = Double(Float(bitPattern: try words("mean_pairwise_distance")[0]))
  }
}

/// Normal vectors; with `clumps`, normal around that many normal centres.
func randomVectors(_ count: Int, dimension: Int, clumps: Int = 0, seed: UInt64) -> CodeVectors {
  var random = CounterRandom(seed: seed, purpose: .test)
  let centres = (0..<clumps * dimension).map { _ in random.normal() }
  var elements: [Float] = []
  for _ in 0..<count {
    let clump = clumps == 0 ? 0 : random.integer(below: clumps)
    for k in 0..<dimension {
      let value = random.normal()
      elements.append(Float(clumps == 0 ? value : centres[clump * dimension + k] + 0.4 * value))
    }
  }
  return CodeVectors(count: count, dimension: dimension, elements: elements)
}

/// Clusters of one size drawn at random.
func randomClusters(_ count: Int, size: Int, seed: UInt64) throws -> BalancedPartition {
  var random = CounterRandom(seed: seed, purpose: .test, index: 1)
  return try BalancedPartition(
    clusterOf: random.permutation(count).map { UInt32($0 / size) }, clusterSize: size)
}
