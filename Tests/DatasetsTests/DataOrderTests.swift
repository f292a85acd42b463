@testable import Datasets
import TensorCore
import Testing
import TestSupport

/// Which items are seen, and in which order.
@Suite struct DataTests {
  @Test(arguments: [(1, 0.0, 0), (10, 0.1, 1), (10, 0.25, 3), (1000, 0.0499, 50), (3, 0.1, 0)])
  func splitSizes(count: Int, fraction: Double, held: Int) throws {
    let split = try HeldOutSplit(count: count, fraction: fraction, seed: 4)
    #expect(split.heldOut.count == held)
    #expect((split.training + split.heldOut).sorted() == Array(0..<count))
    #expect(split.training == split.training.sorted() && split.heldOut == split.heldOut.sorted())
    #expect(try HeldOutSplit(count: count, fraction: fraction, seed: 4) == split)
  }

  @Test func splitsFollowTheSeed() throws {
    let splits = try (0..<3).map { try HeldOutSplit(count: 500, fraction: 0.1, seed: $0) }
    #expect(splits[0] != splits[1] && splits[1] != splits[2])
  }

  @Test(arguments: [(0, 0.0), (1, 0.5), (5, 1.0)]) func nothingLeftToTrainOn(count: Int, fraction: Double) {
    #expect(throws: DatasetError.self) { try HeldOutSplit(count: count, fraction: fraction, seed: 0) }
  }

  @Test(arguments: [1, 3, 4, 7, 25]) func everyItemOnceAnEpochAcrossBatches(batch: Int) {
    let items = [2, 3, 5, 7, 11, 13, 17]
    var order = DataOrder(items: items, seed: 1)
    var seen: [Int] = []
    while seen.count < 70 { seen += order.items(first: seen.count, count: batch, viewCount: 1).map(\.item) }
    let epochs = (0..<10).map { Array(seen[$0 * 7..<($0 + 1) * 7]) }
    #expect(epochs.allSatisfy { $0.sorted() == items })
    #expect(Set(epochs).count > 5, "epochs have orders of their own")
  }

  @Test func orderIsAFunctionOfThePlace() {
    var running = DataOrder(items: Array(0..<20), seed: 2)
    let all = running.items(first: 0, count: 100, viewCount: 10)
    for first in [57, 0, 99, 20, 19] {
      var fresh = DataOrder(items: Array(0..<20), seed: 2)
      let place = fresh.items(first: first, count: 1, viewCount: 10)[0]
      #expect(place == all[first])
      #expect(running.items(first: first, count: 1, viewCount: 10)[0] == place)
    }
    var other = DataOrder(items: Array(0..<20), seed: 3)
    #expect(other.items(first: 0, count: 20, viewCount: 1).map(\.item) != all[..<20].map(\.item))
  }

  @Test func viewsAreDrawnAnewEveryEpoch() {
    var order = DataOrder(items: Array(0..<50), seed: 5)
    let places = order.items(first: 0, count: 50 * 40, viewCount: 4)
    let counts = places.reduce(into: [0, 0, 0, 0]) { $0[$1.view] += 1 }
    // 500 of each, standard deviation 19.
    #expect(counts.allSatisfy { abs($0 - 500) < 97 })
    let ofItem = places.filter { $0.item == 7 }.map(\.view)
    #expect(ofItem.count == 40 && Set(ofItem) == [0, 1, 2, 3])
    var single = DataOrder(items: [0, 1], seed: 5)
    #expect(single.items(first: 0, count: 10, viewCount: 1).allSatisfy { $0.view == 0 })
  }

  @Test(arguments: [2, 3, 10]) func pairsAreTwoDifferentViewsOfWhatItemsGives(views: Int) {
    var (order, plain) = (DataOrder(items: Array(5..<25), seed: 6), DataOrder(items: Array(5..<25), seed: 6))
    let pairs = order.pairs(first: 13, count: 400, viewCount: views)
    let items = plain.items(first: 13, count: 400, viewCount: views)
    var counts = [Int](repeating: 0, count: views)
    for (index, item) in items.enumerated() {
      let (one, two) = (pairs[2 * index], pairs[2 * index + 1])
      #expect(one.item == item.item && one.view == item.view)
      #expect(two.item == item.item && two.view != one.view)
      counts[two.view] += 1
    }
    // The second is as evenly spread as the first: 400 draws, deviation at most 10.
    #expect(counts.allSatisfy { abs($0 - 400 / views) < 50 })
  }
}
