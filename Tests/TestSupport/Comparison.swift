import TensorCore
import Testing

/// Largest distance between two arrays, and where.
public struct Comparison {
  /// max |actual - expected|.
  public var largest: Double = 0
  /// Its index.
  public var index = 0
  /// max |expected|.
  public var scale: Double = 0
  /// sqrt(sum (actual - expected)^2).
  public var distance: Double = 0
  /// The norm of the expected.
  public var norm: Double = 0

  /// Compares element by element.
  public init(_ actual: [Float], _ expected: [Float]) {
    for (i, (a, e)) in zip(actual, expected).enumerated() {
      // NaN compares false with everything: as an infinite difference it cannot be overlooked.
      let measured = abs(Double(a) - Double(e))
      let difference = measured.isNaN ? .infinity : measured
      if difference > largest { (largest, index) = (difference, i) }
      scale = max(scale, abs(Double(e)))
      distance += difference * difference
      norm += Double(e) * Double(e)
    }
    distance = distance.squareRoot()
    norm = norm.squareRoot()
  }
}

/// Expects every element within `tolerance` times the largest expected entry (plus `floor`).
public func expectClose(
  _ actual: [Float], _ expected: [Float], relativeToLargest tolerance: Double, floor: Double = 1e-12,
  _ what: String, sourceLocation: SourceLocation = #_sourceLocation
) {
  guard actual.count == expected.count else {
    Issue.record(
      "\(what): \(actual.count) elements, expected \(expected.count)", sourceLocation: sourceLocation)
    return
  }
  let c = Comparison(actual, expected)
  #expect(
    c.largest <= tolerance * c.scale + floor,
    "\(what): element \(c.index) is \(actual[safe: c.index]), expected \(expected[safe: c.index]); \(c.largest) off, largest \(c.scale)",
    sourceLocation: sourceLocation)
}

/// Expects the distance of two arrays within `tolerance` times the norm of the expected one (plus `floor`).
public func expectClose(
  _ actual: [Float], _ expected: [Float], relativeToNorm tolerance: Double, floor: Double = 1e-12,
  _ what: String, sourceLocation: SourceLocation = #_sourceLocation
) {
  guard actual.count == expected.count else {
    Issue.record(
      "\(what): \(actual.count) elements, expected \(expected.count)", sourceLocation: sourceLocation)
    return
  }
  let c = Comparison(actual, expected)
  #expect(
    c.distance <= tolerance * c.norm + floor,
    "\(what): distance \(c.distance), norm \(c.norm); worst element \(c.index): \(actual[safe: c.index]) for \(expected[safe: c.index])",
    sourceLocation: sourceLocation)
}

extension Array where Element == Float {
  fileprivate subscript(safe index: Int) -> Float { indices.contains(index) ? self[index] : .nan }
}

extension Device {
  /// Normal numbers from the test stream.
  public func random(_ shape: [Int], _ index: UInt64, deviation: Double = 1) -> Tensor {
    var random = CounterRandom(seed: 7, purpose: .test, index: index)
    return tensor((0..<shape.reduce(1, *)).map { _ in Float(random.normal() * deviation) }, shape)
  }
}
