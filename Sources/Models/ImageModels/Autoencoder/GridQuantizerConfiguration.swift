/// A quantiser whose codes are a fixed grid, so that none can fall out of use: finite scalar quantization (FSQ) or
/// lookup-free quantization (LFQ). Written into tokenizer files as the object `quantizer` of their configuration.
public struct GridQuantizerConfiguration: Codable, Equatable, Sendable {
  /// The names of quantisers in files. Any name can be read; ``problem(codes:dimension:)`` refuses unknown ones.
  public struct Kind: RawRepresentable, Codable, Equatable, Sendable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    /// Finite scalar quantization (Mentzer et al., 2023).
    public static let finiteScalar = Kind(rawValue: "fsq")
    /// Lookup-free quantization (MAGVIT-v2, Yu et al., 2023).
    public static let lookupFree = Kind(rawValue: "lfq")
  }

  /// Which of the two.
  public var kind: Kind
  /// FSQ: number of values of each dimension. LFQ has two each, and nil here.
  public var levels: [Int]?

  /// FSQ with some levels.
  public static func finiteScalar(levels: [Int]) -> Self { Self(kind: .finiteScalar, levels: levels) }
  /// LFQ.
  public static let lookupFree = Self(kind: .lookupFree, levels: nil)

  /// An error text if a codebook cannot have these sizes, or nil.
  func problem(codes: Int, dimension: Int) -> String? {
    switch kind {
    case .finiteScalar:
      guard let levels, !levels.isEmpty, levels.allSatisfy({ (2...1 << 20).contains($0) }) else {
        return "fsq needs levels, each from 2 to 2^20"
      }
      // With at least two levels each, more dimensions than bits cannot have so few codes.
      let product = levels.prefix(21).reduce(1) { min($0 * $1, 1 << 30) }
      if levels.count != dimension || product != codes {
        return "levels \(levels) are \(levels.count) dimensions, not \(dimension), or not \(codes) codes"
      }
    case .lookupFree:
      if levels != nil { return "lfq has no levels" }
      if dimension > 20 || 1 << dimension != codes {
        return "lfq has 2^d codes of d signs, not \(codes) of \(dimension)"
      }
    default: return "quantizer \(kind.rawValue); fsq and lfq are known"
    }
    return nil
  }

  /// The values of dimension k, ascending: whole multiples of 1 / floor(L / 2), or the two signs.
  private func values(_ k: Int) -> [Float] {
    guard let levels else { return [-1, 1] }
    let half = levels[k] / 2
    return (0..<levels[k]).map { Float($0 - half) / Float(half) }
  }

  /// The place of a component among the values of dimension k; nil for any other number.
  private func place(of component: Float, _ k: Int, in values: [Float]) -> Int? {
    let perUnit = levels.map { Double($0[k] / 2) } ?? 0.5
    let place = ((Double(component) + 1) * perUnit).rounded()
    guard place >= 0, place < Double(values.count), values[Int(place)] == component else { return nil }
    return Int(place)
  }

  /// All codes [K, d], a code after another, as the papers number them: in mixed radix, the first dimension fastest.
  func codes(dimension: Int) -> [Float] {
    let axes = (0..<dimension).map(values)
    let count = axes.reduce(1) { $0 * $1.count }
    var codes: [Float] = []
    codes.reserveCapacity(count * dimension)
    for code in 0..<count {
      var rest = code
      for axis in axes {
        codes.append(axis[rest % axis.count])
        rest /= axis.count
      }
    }
    return codes
  }

  /// Whether a codebook is this grid in some order: a rearranged tokenizer has the codes in another one.
  func isOrder(_ codebook: UnsafeBufferPointer<Float>, dimension: Int) -> Bool {
    let axes = (0..<dimension).map(values)
    var isSeen = [Bool](repeating: false, count: codebook.count / dimension)
    for row in isSeen.indices {
      var (number, base) = (0, 1)
      for (k, axis) in axes.enumerated() {
        guard let place = place(of: codebook[row * dimension + k], k, in: axis) else { return false }
        number += place * base
        base *= axis.count
      }
      if isSeen[number] { return false }
      isSeen[number] = true
    }
    return true
  }
}
