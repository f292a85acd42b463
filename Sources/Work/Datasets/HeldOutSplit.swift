import TensorCore

/// Which items are trained on and which are only scored. The same items are held out from the tokenizer
/// and from the model when both see the images in the same order.
public struct HeldOutSplit: Sendable, Equatable {
  /// Items to train on, ascending.
  public let training: [Int]
  /// Items to score, ascending.
  public let heldOut: [Int]

  /// Holds out `round(fraction * count)` items, chosen by `seed` alone.
  /// - Throws: `DatasetError.tooFewItems` when nothing would be left to train on.
  public init(count: Int, fraction: Double, seed: UInt64) throws {
    let held = Int((fraction * Double(count)).rounded())
    guard count - held >= 1 else { throw DatasetError.tooFewItems(found: count, needed: held + 1) }
    var random = CounterRandom(seed: seed, purpose: .split)
    let order = random.permutation(count)
    heldOut = order.prefix(held).sorted()
    training = order.dropFirst(held).sorted()
  }
}

/// The part of the items that is held out, as it is asked for: equal values hold out equal items in every tool.
public struct HeldOutShare: Sendable, Equatable, Codable {
  /// Share of the items, from 0 to below 1.
  public var fraction: Double
  /// Seed of the choice.
  public var seed: UInt64

  /// A share of the items, chosen by a seed.
  public init(fraction: Double, seed: UInt64) { (self.fraction, self.seed) = (fraction, seed) }

  /// The split of so many items.
  /// - Throws: `DatasetError.tooFewItems` when nothing would be left to train on.
  public func split(count: Int) throws -> HeldOutSplit {
    try HeldOutSplit(count: count, fraction: fraction, seed: seed)
  }
}

extension HeldOutSplit {
  /// The same split of other items: entry i stands for `item(i)`.
  public func mapped(_ item: (Int) -> Int) -> HeldOutSplit {
    HeldOutSplit(training: training.map(item), heldOut: heldOut.map(item))
  }

  private init(training: [Int], heldOut: [Int]) {
    (self.training, self.heldOut) = (training, heldOut)
  }
}
