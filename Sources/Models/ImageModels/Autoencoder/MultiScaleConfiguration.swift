/// How VAR's quantiser divides the latents of an image into grids of tokens. Written into tokenizer files as the object
/// `multi_scale` of their configuration.
public struct MultiScaleConfiguration: Codable, Equatable, Sendable {
  /// Sides of the grids of tokens, ascending; the last is the side of the latents.
  public var scales: [Int]
  /// Number of convolutions phi that the scales share; 0 means one for each scale.
  public var phiCount: Int
  /// r in phi(h) = (1 - r) h + r conv(h), from 0 to 1. At 0 there is no convolution.
  public var residualRatio: Double
  /// Whether the code of the largest cosine is taken, instead of the nearest one. What is added is the code as it is in
  /// both cases.
  public var comparesByCosine: Bool

  enum CodingKeys: String, CodingKey {
    case scales
    case phiCount = "phi_count"
    case residualRatio = "residual_ratio"
    case comparesByCosine = "znorm"
  }

  /// The published quantiser of 256-pixel images unless something is given.
  public init(
    scales: [Int] = [1, 2, 3, 4, 5, 6, 8, 10, 13, 16], phiCount: Int = 4, residualRatio: Double = 0.5,
    comparesByCosine: Bool = false
  ) {
    (self.scales, self.phiCount) = (scales, phiCount)
    (self.residualRatio, self.comparesByCosine) = (residualRatio, comparesByCosine)
  }

  /// Side of the latents.
  public var side: Int { scales[scales.count - 1] }

  /// Tokens of an image, of all scales together.
  public var tokenCount: Int { scales.reduce(0) { $0 + $1 * $1 } }

  /// Place of the first token of each scale among those of an image, and the number of tokens at the end.
  public var offsets: [Int] { scales.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1 * $1) } }

  /// Convolutions phi there are in all.
  public var convolutionCount: Int { residualRatio == 0 ? 0 : phiCount == 0 ? scales.count : phiCount }

  /// The convolution phi that a scale uses; nil where there is none.
  ///
  /// Of K shared ones, the published code takes the tick nearest to k / (S - 1), with ticks evenly spaced from a to 1 - a,
  /// and the first at equality. It computes in doubles, and rounding decides two ties of its own setting (S = 10, K = 4):
  /// the order of the operations here is that of NumPy's `linspace`.
  public func phi(ofScale scale: Int) -> Int? {
    if residualRatio == 0 { return nil }
    if phiCount == 0 { return scale }
    if phiCount == 1 { return 0 }
    let first = phiCount == 4 ? 1.0 / 3 / Double(phiCount) : 1.0 / 2 / Double(phiCount)
    let last = 1 - first
    let step = (last - first) / Double(phiCount - 1)
    let place = Double(scale) / Double(scales.count - 1)
    let distances = (0..<phiCount).map {
      abs(($0 == phiCount - 1 ? last : Double($0) * step + first) - place)
    }
    return distances.indices.min { distances[$0] < distances[$1] }
  }

  /// An error text if the numbers do not fit together, or nil.
  public var problem: String? {
    if !(2...64).contains(scales.count) { return "2 to 64 scales are possible, not \(scales.count)" }
    if scales[0] < 1 || zip(scales, scales.dropFirst()).contains(where: { $0 >= $1 }) || side > 256 {
      return "scales must ascend from at least 1 to at most 256"
    }
    if tokenCount > 1 << 16 { return "\(tokenCount) tokens per image; at most 65536 are possible" }
    if !(0...64).contains(phiCount) { return "phi_count \(phiCount); 0 to 64 is possible" }
    if !(residualRatio >= 0 && residualRatio <= 1) {
      return "residual_ratio \(residualRatio); 0 to 1 is possible"
    }
    return nil
  }
}
