import TensorCore

/// Which items are trained on and which are only scored. The split is of the images as they were listed: the same are held
/// out from the tokenizer and from the model, whichever of them could not be read.
public struct HeldOutSplit: Sendable, Equatable {
  /// Items to train on, ascending.
  public let training: [Int]
  /// Items to score, ascending.
  public let heldOut: [Int]

  /// Holds out `round(fraction * count)` items, chosen by `seed` alone.
  /// - Throws: `DatasetError.tooFewItems` when nothing would be left to train on.
  init(count: Int, fraction: Double, seed: UInt64) throws {
    let held = Int((fraction * Double(count)).rounded())
    guard count - held >= 1 else { throw DatasetError.tooFewItems(found: count, needed: held + 1) }
    var random = CounterRandom(seed: seed, purpose: .split)
    let order = random.permutation(count)
    heldOut = order.prefix(held).sorted()
    training = order.dropFirst(held).sorted()
  }
}

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

extension HeldOutSplit {
  /// The split of `listed` images, of which only some are there: places in `present` stand for the images at these
  /// places of the list. An image that was skipped moves no other image to the other side.
  /// - Parameter present: ascending places below `listed`.
  /// - Throws: `DatasetError.tooFewItems` when nothing is left to train on.
  public init(listed: Int, present: [Int], fraction: Double, seed: UInt64) throws {
    let whole = try HeldOutSplit(count: listed, fraction: fraction, seed: seed)
    let held = Set(whole.heldOut)
    let parts = (
      training: present.indices.filter { !held.contains(present[$0]) },
      heldOut: present.indices.filter { held.contains(present[$0]) }
    )
    guard !parts.training.isEmpty else {
      throw DatasetError.tooFewItems(found: present.count, needed: parts.heldOut.count + 1)
    }
    self.init(training: parts.training, heldOut: parts.heldOut)
  }

  /// The split of a token file's images, by their places among the images that were listed.
  /// - Throws: As `init(listed:present:fraction:seed:)`.
  public init(of data: TokenDataset, fraction: Double, seed: UInt64) throws {
    try self.init(listed: data.listedCount, present: data.listedPlaces, fraction: fraction, seed: seed)
  }

  /// The same split of other items: entry i stands for `item(i)`.
  public func mapped(_ item: (Int) -> Int) -> HeldOutSplit {
    HeldOutSplit(training: training.map(item), heldOut: heldOut.map(item))
  }

  private init(training: [Int], heldOut: [Int]) {
    (self.training, self.heldOut) = (training, heldOut)
  }
}
