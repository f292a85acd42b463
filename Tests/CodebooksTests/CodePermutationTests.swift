@testable import Codebooks
import TensorCore
import Testing

@Suite struct CodePermutationTests {
  let device = Device(threadCount: 2)

  @Test func bothDirectionsAgree() throws {
    var random = CounterRandom(seed: 31, purpose: .test)
    let order = random.permutation(97)
    let permutation = try CodePermutation(newToOld: order)
    #expect(permutation.oldToNew.map { order[$0] } == Array(0..<97))
    #expect(try CodePermutation(oldToNew: permutation.oldToNew) == permutation)
    #expect(permutation.inverse.newToOld == permutation.oldToNew)
    #expect(CodePermutation.identity(5).inverse == .identity(5))
  }

  @Test(arguments: [([0, 1, 1], 2, 1), ([3, 0, 1], 0, 3), ([0, -1], 1, -1)])
  func otherListsAreRefused(list: [Int], position: Int, value: Int) {
    let error = CodebookError.notABijection(position: position, value: value, count: list.count)
    #expect(throws: error) { try CodePermutation(newToOld: list) }
    #expect(throws: error) { try CodePermutation(oldToNew: list) }
  }

  @Test(arguments: [1, 2, 3, 24, 120]) func clustersBecomeBlocks(size: Int) throws {
    let codes = randomVectors(120, dimension: 4, seed: 32)
    let clusters = try randomClusters(120, size: size, seed: 32)
    let permutation = clusters.order(codes, on: device)
    for (new, old) in permutation.newToOld.enumerated() {
      #expect(Int(clusters.clusterOf[old]) == new / size)
    }
  }

  @Test func aChainOnALineIsTheLine() throws {
    // From the middle of unevenly spaced points both ends can only grow outwards.
    let positions: [Float] = [4, 0, 1, 3, 2]
    let codes = CodeVectors(count: 5, dimension: 1, elements: positions)
    let order = try BalancedPartition.blocks(codes: 5, clusterSize: 5).order(codes, on: device).newToOld
    let line = order.map { positions[$0] }
    #expect(line == line.sorted() || line == line.sorted().reversed())
  }
}
