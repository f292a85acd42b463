/// How many codes each scale of a tokenizer uses in training, as VAR's code counts it: a running mean of the hits of each
/// code at each scale, and the share of the codes whose mean reaches a bound.
public struct ScaleUsage: Equatable, Sendable {
  /// Running means of the hits, scale after scale, [S, V].
  public private(set) var hits: [Float]
  /// Scales counted in all steps so far: the published code chooses how fast the mean moves by them, not by the steps, so
  /// that only the first scale of the first step is taken as it is.
  public private(set) var visits: Int
  private let scaleCount: Int

  /// Nothing counted yet.
  public init(scaleCount: Int, codes: Int) {
    self.init(hits: [Float](repeating: 0, count: scaleCount * codes), visits: 0, scaleCount: scaleCount)
  }

  /// What was counted before.
  /// - Precondition: `hits` divides into the scales.
  public init(hits: [Float], visits: Int, scaleCount: Int) {
    precondition(scaleCount > 0 && hits.count % scaleCount == 0, "ScaleUsage: \(hits.count) hits")
    (self.hits, self.visits, self.scaleCount) = (hits, visits, scaleCount)
  }

  /// Number of codes.
  public var codes: Int { hits.count / scaleCount }

  /// Counts a step.
  /// - Parameters:
  ///   - tokens: of whole images, scale after scale.
  ///   - offsets: place of the first token of each scale among those of an image, and the number of tokens of an image.
  public mutating func add(_ tokens: [Int], offsets: [Int]) {
    precondition(offsets.count == scaleCount + 1, "ScaleUsage: \(offsets.count) offsets")
    let length = offsets[scaleCount]
    for scale in 0..<scaleCount {
      var counts = [Float](repeating: 0, count: codes)
      for first in stride(from: 0, to: tokens.count, by: length) {
        for token in tokens[first + offsets[scale]..<first + offsets[scale + 1]] { counts[token] += 1 }
      }
      let (old, new): (Float, Float) = visits == 0 ? (0, 1) : visits < 100 ? (0.9, 0.1) : (0.99, 0.01)
      for code in 0..<codes {
        hits[scale * codes + code] = hits[scale * codes + code] * old + counts[code] * new
      }
      visits += 1
    }
  }

  /// Share of the codes, from 0 to 1, that each scale uses: those with at least 0.08 of the hits that all codes would have
  /// if the last scale used them alike. The bound is that of the last scale for every scale, as published.
  /// - Parameter latents: latents of a batch at full size, B h w.
  public func shares(latents: Int) -> [Double] {
    let bound = Float(Double(latents) / Double(codes) * 0.08)
    return (0..<scaleCount).map { scale in
      Double(hits[scale * codes..<(scale + 1) * codes].count { $0 >= bound }) / Double(codes)
    }
  }
}
