/// The random numbers of one mutated file: SplitMix64, keyed by what makes the file reproducible.
public struct MutationRandom: RandomNumberGenerator {
  private var state: UInt64

  /// The numbers of the `number`-th file of a campaign.
  public init(seed: UInt64, kind: String, number: UInt64) {
    // FNV-1a of the kind's name, so that kinds do not share their numbers.
    let name = kind.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    state = seed &* 0x9e37_79b9_7f4a_7c15 ^ name ^ number &* 0xd134_2543_de82_ef95
    _ = next()
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  /// From 0 to below a bound; 0 for the bound 0.
  public mutating func below(_ bound: Int) -> Int { bound <= 1 ? 0 : Int(next() % UInt64(bound)) }

  /// True once in so many times.
  public mutating func once(in count: Int) -> Bool { below(count) == 0 }

  /// One of several.
  public mutating func pick<Element>(_ choices: [Element]) -> Element { choices[below(choices.count)] }

  /// Some bytes.
  public mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }
}

/// Numbers at which sizes, offsets and counts go wrong.
let interestingNumbers: [Int] = [
  0, 1, -1, 2, 3, 7, 8, 16, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536, 1 << 20, 1 << 24, 1 << 24 + 1,
  1 << 31 - 1,
  1 << 31, 1 << 32 - 1, 1 << 32, 1 << 33, 1 << 40, 1 << 41, 1 << 53, 1 << 61, 1 << 62, .max, .min,
]
