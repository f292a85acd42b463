import Glibc
import TensorCore
import Testing

/// u = 2^-24, the largest relative error of one float32 rounding.
public let unitRoundoff = 0x1p-24

/// A sum in double precision with the sum of its terms' magnitudes, which is what rounding errors are
/// measured by: n float32 operations are at most about n u magnitude away from the value.
public struct ExactSum: Sendable {
  /// The sum.
  public private(set) var value: Double
  /// The sum of the terms without their signs.
  public private(set) var magnitude: Double

  /// A sum of one term.
  public init(_ term: Double = 0) { (value, magnitude) = (term, abs(term)) }

  /// A value whose error is measured by another magnitude than its own.
  public init(_ value: Double, magnitude: Double) { (self.value, self.magnitude) = (value, magnitude) }

  /// Adds a term.
  public mutating func add(_ term: Double) {
    value += term
    magnitude += abs(term)
  }
}

/// Expects each element within `roundings` u magnitude of its exact value. `floor` is for results below the
/// normal range.
public func expectWithin(
  _ actual: [Float], _ exact: [ExactSum], roundings: Double, floor: Double = 1e-37, _ what: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard actual.count == exact.count else {
    Issue.record("\(what): \(actual.count) elements, expected \(exact.count)", sourceLocation: sourceLocation)
    return
  }
  let bad = actual.indices.first {
    !(abs(Double(actual[$0]) - exact[$0].value) <= roundings * unitRoundoff * exact[$0].magnitude + floor)
  }
  guard let bad else { return }
  let (error, magnitude) = (abs(Double(actual[bad]) - exact[bad].value), exact[bad].magnitude)
  Issue.record(
    """
    \(what): element \(bad) of \(actual.count) is \(actual[bad]), exactly \(exact[bad].value): \
    \(error / magnitude / unitRoundoff) roundings of \(magnitude), allowed \(roundings)
    """, sourceLocation: sourceLocation)
}

/// Expects one number within `roundings` u magnitude of its exact value.
public func expectWithin(
  _ actual: Double, _ exact: ExactSum, roundings: Double, floor: Double = 1e-37, _ what: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let allowed = roundings * unitRoundoff * exact.magnitude + floor
  #expect(
    abs(actual - exact.value) <= allowed, "\(what): \(actual), exactly \(exact.value) within \(allowed)",
    sourceLocation: sourceLocation)
}

/// Normal numbers of the test stream `index`.
public func normals(_ count: Int, _ index: UInt64, deviation: Double = 1, mean: Double = 0) -> [Float] {
  var random = CounterRandom(seed: 11, purpose: .test, index: index)
  return (0..<count).map { _ in Float(random.normal() * deviation + mean) }
}

/// Sizes at which vector loops have their corners: nothing, one, odd, around multiples of 16, and beyond the
/// 4096 elements after which sums go on in double.
public let cornerSizes = [0, 1, 2, 3, 15, 16, 17, 31, 33, 64, 100, 257, 5000]

/// log of the sum of exponentials, in double; -infinity of nothing.
public func logSumExp(_ x: [Double]) -> Double {
  guard let maximum = x.max() else { return -.infinity }
  return maximum + log(x.reduce(0) { $0 + exp($1 - maximum) })
}
