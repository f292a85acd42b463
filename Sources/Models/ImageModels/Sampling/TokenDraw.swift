import CKernels
import TensorCore

/// How a token is drawn from logits.
public struct DrawOptions: Sendable, Equatable, Codable {
  /// Divides the logits; 0, and anything below ``smallestTemperature``, takes the largest.
  public var temperature: Float
  /// Keeps the k largest logits; 0 keeps all.
  public var topK: Int
  /// Keeps the smallest set of tokens whose probability reaches this; 1 keeps all.
  public var topP: Float

  /// Below this, float32 logits that differ at all differ by so much that the largest has all the probability.
  public static let smallestTemperature: Float = 1e-12

  /// Whether only the most probable token can be drawn.
  public var isGreedy: Bool { temperature < Self.smallestTemperature || topK == 1 }

  /// Unfiltered sampling at temperature 1 unless options are given.
  public init(temperature: Float = 1, topK: Int = 0, topP: Float = 1) {
    (self.temperature, self.topK, self.topP) = (temperature, topK, topP)
  }
}

/// How random numbers decide a token. Both draw from the same distribution.
public enum DrawMethod: String, Sendable, Codable, CaseIterable {
  /// One number per token, by the inverse of the cumulative distribution.
  case cumulative
  /// A number for each code, by the Gumbel-max trick: with the same numbers, two similar distributions mostly give
  /// the same token, from which speculation lives.
  case gumbel
}

/// Draws one token: temperature, top-k, top-p, then the inverse of the cumulative distribution.
/// - Parameters:
///   - logits: overwritten.
///   - uniform: a random number in [0, 1).
/// - Returns: nil if a logit is NaN or the largest is infinite.
public func drawToken(_ logits: UnsafeMutableBufferPointer<Float>, _ options: DrawOptions, uniform: Double)
  -> Int?
{
  weigh(logits, options) { best, sums in
    if options.topK > 0 || options.topP < 1 { sum(logits, into: sums) }
    return find(uniform * sums.reduce(0, +), in: logits, sums) ?? best
  }
}

/// Draws one token: temperature, top-k, top-p, then the largest of the logits plus Gumbel noise.
/// - Parameters:
///   - logits: overwritten.
///   - words: a random word for each code.
/// - Returns: nil if a logit is NaN or the largest is infinite.
public func drawToken(
  _ logits: UnsafeMutableBufferPointer<Float>, _ options: DrawOptions, words: UnsafePointer<UInt32>
) -> Int? {
  weigh(logits, options) { best, _ in
    guard let weights = logits.baseAddress else { return nil }
    tsr_race(weights, words, logits.count)
    return tsr_largest(weights, logits.count)
  }
}

/// Turns logits into weights that are 0 where a filter leaves a token out, and lets `choose` take one of them.
/// - Parameter choose: gets the most probable token, and memory for the sums of blocks, which are those before
///   filters.
private func weigh(
  _ logits: UnsafeMutableBufferPointer<Float>, _ options: DrawOptions,
  choose: (_ best: Int, _ sums: UnsafeMutableBufferPointer<Double>) -> Int?
) -> Int? {
  let (n, block) = (logits.count, Int(TSR_DRAW_BLOCK))
  guard let x = logits.baseAddress else { return nil }
  let best = tsr_largest(x, n)
  guard best < n, x[best].isFinite else { return nil }
  // The limit of small temperatures is the largest logit, and logits divided by very small ones are infinite or NaN.
  if options.isGreedy { return best }
  return withUnsafeTemporaryAllocation(of: Double.self, capacity: (n + block - 1) / block) { sums in
    tsr_draw_weights(x, sums.baseAddress, x[best], 1 / options.temperature, n)
    if options.topK > 0, options.topK < n { keepLargest(logits, options.topK) }
    if options.topP < 1 { keepNucleus(logits, options.topP) }
    return choose(best, sums)
  }
}

/// Zeroes all but the k largest. Equal ones at the edge are all kept, as LlamaGen does.
private func keepLargest(_ weights: UnsafeMutableBufferPointer<Float>, _ k: Int) {
  var above = 0.0
  let edge = tsr_draw_threshold(weights.baseAddress, weights.count, Double(k), false, &above)
  for i in weights.indices where weights[i] < edge { weights[i] = 0 }
}

/// Zeroes what lies outside the smallest set of most probable tokens that reaches `share` of the total; of
/// equal ones at the edge the first are kept.
private func keepNucleus(_ weights: UnsafeMutableBufferPointer<Float>, _ share: Float) {
  let target = Double(share) * weights.reduce(0.0) { $0 + Double($1) }
  var sum = 0.0
  let edge = tsr_draw_threshold(weights.baseAddress, weights.count, target, true, &sum)
  for i in weights.indices where weights[i] <= edge {
    if weights[i] == edge, sum < target { sum += Double(edge) } else { weights[i] = 0 }
  }
}

private func sum(_ weights: UnsafeMutableBufferPointer<Float>, into sums: UnsafeMutableBufferPointer<Double>)
{
  let block = Int(TSR_DRAW_BLOCK)
  for index in sums.indices {
    let end = min((index + 1) * block, weights.count)
    sums[index] = weights[index * block..<end].reduce(0.0) { $0 + Double($1) }
  }
}

/// The first entry at which the running sum exceeds `target`, by way of the sums of blocks.
private func find(
  _ target: Double, in weights: UnsafeMutableBufferPointer<Float>, _ sums: UnsafeMutableBufferPointer<Double>
) -> Int? {
  let size = Int(TSR_DRAW_BLOCK)
  var remaining = target
  for (block, sum) in sums.enumerated() {
    if remaining >= sum {
      remaining -= sum
      continue
    }
    var last: Int?
    for i in block * size..<min((block + 1) * size, weights.count) where weights[i] > 0 {
      remaining -= Double(weights[i])
      last = i
      if remaining < 0 { return i }
    }
    // Rounding can leave a small rest after the last entry of the block.
    return last
  }
  return nil
}
