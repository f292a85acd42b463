import CKernels
import TensorCore

/// How a token is drawn from logits.
public struct DrawOptions: Sendable, Equatable, Codable {
  /// Divides the logits; 0 takes the largest.
  public var temperature: Float
  /// Keeps the k largest logits; 0 keeps all.
  public var topK: Int
  /// Keeps the smallest set of tokens whose probability reaches this; 1 keeps all.
  public var topP: Float

  /// Unfiltered sampling at temperature 1 unless options are given.
  public init(temperature: Float = 1, topK: Int = 0, topP: Float = 1) {
    (self.temperature, self.topK, self.topP) = (temperature, topK, topP)
  }
}

/// Draws one token: temperature, top-k, top-p, then the inverse of the cumulative distribution.
/// - Parameters:
///   - logits: overwritten.
///   - uniform: a random number in [0, 1).
func drawToken(_ logits: UnsafeMutableBufferPointer<Float>, _ options: DrawOptions, uniform: Double) -> Int {
  var best = 0
  for i in 1..<max(1, logits.count) where logits[i] > logits[best] { best = i }
  if options.temperature == 0 || options.topK == 1 { return best }
  let maximum = logits[best]
  for i in 0..<logits.count { logits[i] = (logits[i] - maximum) / options.temperature }
  let threshold = keepLargest(logits, options.topK)
  tsr_exp(logits.baseAddress, logits.baseAddress, logits.count)
  if let threshold { for i in 0..<logits.count where logits[i] < threshold { logits[i] = 0 } }
  if options.topP < 1 { keepNucleus(logits, options.topP) }

  var total = 0.0
  for p in logits { total += Double(p) }
  var remaining = uniform * total
  for i in 0..<logits.count {
    remaining -= Double(logits[i])
    if remaining < 0 { return i }
  }
  return best
}

/// The exponential of the k-th largest logit, below which the rest is dropped; nil when all are kept.
/// Equal logits at the edge are all kept, as LlamaGen does.
private func keepLargest(_ logits: UnsafeMutableBufferPointer<Float>, _ k: Int) -> Float? {
  guard k > 0, k < logits.count else { return nil }
  var edge = [logits.sorted(by: >)[k - 1]]
  tsr_exp(&edge, edge, 1)
  return edge[0]
}

/// Zeroes what lies outside the smallest set of most probable tokens that reaches `share` of the total.
private func keepNucleus(_ weights: UnsafeMutableBufferPointer<Float>, _ share: Float) {
  let order = weights.indices.filter { weights[$0] > 0 }.sorted {
    weights[$0] != weights[$1] ? weights[$0] > weights[$1] : $0 < $1
  }
  let total = order.reduce(0.0) { $0 + Double(weights[$1]) }
  var sum = 0.0
  for index in order {
    if sum >= Double(share) * total && index != order[0] {
      weights[index] = 0
    } else {
      sum += Double(weights[index])
    }
  }
}
