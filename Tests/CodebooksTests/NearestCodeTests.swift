@testable import Codebooks
import TensorCore
import Testing

@Suite struct NearestCodeTests {
  /// The slow obvious version: float sums of squares in the order of the components.
  func naive(_ vectors: CodeVectors, _ codes: CodeVectors, _ prices: [Float]) -> [Float] {
    vectors.indices.flatMap { row in
      codes.indices.map { code in
        zip(vectors[row], codes[code]).reduce(prices[code]) { $0 + ($1.1 - $1.0) * ($1.1 - $1.0) }
      }
    }
  }

  @Test(arguments: [(1, 1, 1), (5, 3, 1), (7, 16, 8), (64, 100, 8), (515, 17, 3), (9, 9001, 8), (3, 40, 300)])
  func agreesWithTheNaiveSearch(rows: Int, count: Int, dimension: Int) {
    let vectors = randomVectors(rows, dimension: dimension, seed: 1)
    let codes = randomVectors(count, dimension: dimension, seed: 2)
    let prices = randomVectors(count, dimension: 1, seed: 3).elements
    let found = NearestCode(codes, prices: prices, on: Device(threadCount: 2)).find(vectors)
    let distances = naive(vectors, codes, prices)
    for row in 0..<rows {
      let all = distances[row * count..<(row + 1) * count]
      let smallest = all.min() ?? .nan
      let tolerance = 1e-6 * (abs(smallest) + Float(4 * dimension))
      #expect(abs(found.distances[row] - smallest) <= tolerance)
      #expect(all[row * count + Int(found.codes[row])] <= smallest + tolerance)
    }
  }

  @Test func theFirstOfEqualsWins() {
    let one = randomVectors(50, dimension: 8, seed: 4)
    let codes = one.rows((0..<200).map { $0 % 50 })
    let found = NearestCode(codes, on: Device(threadCount: 2)).find(one)
    #expect(found.codes == (0..<50).map { UInt32($0) })
    #expect(found.distances == [Float](repeating: 0, count: 50))
  }

  @Test func doesNotDependOnThreadsOrNeighbours() {
    let vectors = randomVectors(1003, dimension: 8, seed: 5)
    let codes = randomVectors(333, dimension: 8, seed: 6)
    let search = NearestCode(codes, on: Device(threadCount: 1))
    let whole = search.find(vectors)
    let shared = NearestCode(codes, on: Device(threadCount: 3)).find(vectors)
    let device = Device(threadCount: 2)
    let tensors = NearestCode(codes.tensor(on: device), on: device)
    #expect(tensors.indices(of: vectors.tensor(on: device)) == whole.codes.map(Int.init))
    #expect(whole.codes == shared.codes && whole.distances == shared.distances)
    let alone = search.find(vectors.rows([501]))
    #expect(alone.distances[0] == whole.distances[501])
  }

  @Test func barredCodesAreNotFound() {
    let codes = randomVectors(20, dimension: 4, seed: 7)
    var search = NearestCode(codes, on: Device(threadCount: 1))
    search.exclude(3)
    let found = search.find(codes).codes
    #expect(found[3] != 3)
    #expect(found[4] == 4)
  }
}
