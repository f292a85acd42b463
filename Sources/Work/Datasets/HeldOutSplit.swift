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

/// The part of the items that is held out, as it is asked for: equal values hold out equal items in every tool.
public struct HeldOutShare: Sendable, Equatable, Codable {
  /// Share of the items, from 0 to below 1.
  public var fraction: Double
  /// Seed of the choice.
  public var seed: UInt64

  /// A share of the items, chosen by a seed.
  public init(fraction: Double, seed: UInt64) { (self.fraction, self.seed) = (fraction, seed) }

  /// The split of `listed` images, of which those at the places `present` are there.
  /// - Throws: As `HeldOutSplit.init(listed:present:fraction:seed:)`.
  public func split(listed: Int, present: [Int]) throws -> HeldOutSplit {
    try HeldOutSplit(listed: listed, present: present, fraction: fraction, seed: seed)
  }

  /// The split of the images of a token file.
  /// - Throws: As `HeldOutSplit.init(listed:present:fraction:seed:)`.
  public func split(_ data: TokenDataset) throws -> HeldOutSplit {
    try split(listed: data.listedCount, present: data.listedPlaces)
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
