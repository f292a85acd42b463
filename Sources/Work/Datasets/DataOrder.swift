import TensorCore

/// The order in which items are trained on: every epoch a new permutation, batches running on across the
/// border of epochs. A pure function of the seed and the step, so that resuming needs no state.
public struct DataOrder: Sendable {
  private let items: [Int]
  private let seed: UInt64
  private var epoch = -1
  private var order: [Int] = []

  /// An order over `items`, anew each epoch.
  public init(items: [Int], seed: UInt64) {
    precondition(!items.isEmpty, "DataOrder: no items")
    (self.items, self.seed) = (items, seed)
  }

  /// The items of places `first ..< first + count` in the endless sequence of epochs, with the view of
  /// each: one of `viewCount`, drawn anew each epoch.
  public mutating func items(first: Int, count: Int, viewCount: Int) -> [(item: Int, view: Int)] {
    (first..<first + count).map { place in
      var (item, random) = drawn(at: place)
      return (item, viewCount > 1 ? random.integer(below: viewCount) : 0)
    }
  }

  /// The same items with two different views each, one after the other; the first is the one that `items` gives.
  public mutating func pairs(first: Int, count: Int, viewCount: Int) -> [(item: Int, view: Int)] {
    precondition(viewCount >= 2, "DataOrder.pairs: \(viewCount) views")
    return (first..<first + count).flatMap { place in
      var (item, random) = drawn(at: place)
      let view = random.integer(below: viewCount)
      let other = (view + 1 + random.integer(below: viewCount - 1)) % viewCount
      return [(item, view), (item, other)]
    }
  }

  /// The item at a place, and the stream that its views are drawn from.
  private mutating func drawn(at place: Int) -> (item: Int, random: CounterRandom) {
    let current = place / items.count
    if current != epoch {
      epoch = current
      var random = CounterRandom(seed: seed, purpose: .order, index: UInt64(current))
      order = random.permutation(items.count)
    }
    let item = items[order[place % items.count]]
    let index = UInt64(current) << 32 | UInt64(item)
    return (item, CounterRandom(seed: seed, purpose: .view, index: index))
  }
}
