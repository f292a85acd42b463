import CKernels
import Glibc
@testable import ImageModels
import TensorCore
import Testing
import TestSupport

/// Drawing against a plain version in double.
@Suite struct TokenDrawTests {
  func draw(_ logits: [Float], _ options: DrawOptions, _ uniform: Double) -> Int {
    var copy = logits
    return copy.withUnsafeMutableBufferPointer { drawToken($0, options, uniform: uniform) } ?? -1
  }

  /// The distribution that options make of logits.
  func distribution(_ logits: [Float], _ options: DrawOptions) -> [Double] {
    let x = logits.map { Double($0) / Double(options.temperature) }
    let ranked = x.indices.sorted { x[$0] != x[$1] ? x[$0] > x[$1] : $0 < $1 }
    var p = x.map { exp($0 - x[ranked[0]]) }
    if options.topK > 0 && options.topK < x.count {
      for i in x.indices where x[i] < x[ranked[options.topK - 1]] { p[i] = 0 }
    }
    let total = p.reduce(0, +)
    var sum = 0.0
    if options.topP < 1 {
      for i in ranked {
        if sum >= Double(options.topP) * total && i != ranked[0] { p[i] = 0 } else { sum += p[i] }
      }
    }
    let kept = p.reduce(0, +)
    return p.map { $0 / kept }
  }

  static let options = [
    DrawOptions(), DrawOptions(temperature: 0.5), DrawOptions(temperature: 2, topK: 5),
    DrawOptions(topP: 0.7),
    DrawOptions(topK: 12, topP: 0.9), DrawOptions(topK: 1), DrawOptions(topK: 100), DrawOptions(topP: 0.001),
  ]

  /// What divides a weight in the race is exponentially distributed: -log(1 - v) of the word's 31 upper bits.
  @Test func exponentialNumbersOfWords() {
    var words = (0..<4000).map { UInt32(truncatingIfNeeded: $0 * 1_073_741) }
    words += [0, 1, 2, 100, .max, .max - 1, .max - 255, 1 << 31, 1 << 31 - 1, 1 << 31 + 64]
    var x = [Float](repeating: 1, count: words.count)
    tsr_race(&x, words, words.count)
    for (word, value) in zip(words, x) {
      let exact = -log1p(-(Double(word >> 1) + 0.5) * 0x1p-31)
      #expect(abs(1 / (Double(value) * exact) - 1) < 5e-7, "word \(word)")
    }
  }

  @Test func gumbelNumbersThatAreNotFinite() {
    let noise = DrawNoise(.gumbel, images: [0], seed: 1, count: 1, codes: 3)
    for logits: [Float] in [[0, .nan, 1], [0, .infinity, 1], [-.infinity, -.infinity, -.infinity]] {
      var copy = logits
      let place = Place(image: 0, position: 0)
      #expect(copy.withUnsafeMutableBufferPointer { noise.draw($0, DrawOptions(), at: place) } == nil)
    }
  }

  /// Smaller temperatures have no finite inverse, and logits times an infinity are no numbers.
  @Test(arguments: [Float(0), 1e-45, 1e-40, 2.9e-39, 3e-39, 1e-30]) func tinyTemperaturesTakeTheLargest(
    value: Float
  ) {
    let logits: [Float] = [-3, 2, 5, 5.5, -100, 0]
    for uniform in [0, 0.5, 0.999] {
      #expect(draw(logits, DrawOptions(temperature: value), uniform) == 3)
      #expect(draw(logits, DrawOptions(temperature: value, topP: 0.9), uniform) == 3)
    }
  }

  @Test(arguments: options) func everyNumberGivesTheTokenOfTheCumulativeSum(_ options: DrawOptions) {
    let logits = normals(40, 1, deviation: 2)
    let p = distribution(logits, options)
    var edges = [0.0]
    for value in p { edges.append(edges.last! + value) }
    for step in 0..<1000 {
      let uniform = (Double(step) + 0.5) / 1000
      // Within float rounding of an edge either neighbour is right.
      guard edges.allSatisfy({ abs($0 - uniform) > 1e-5 }) else { continue }
      let expected = edges.lastIndex { $0 <= uniform }!
      #expect(draw(logits, options, uniform) == expected, "at \(uniform)")
    }
  }

  @Test(arguments: options, DrawMethod.allCases) func frequencies(
    _ options: DrawOptions, _ method: DrawMethod
  ) {
    let logits = normals(40, 2, deviation: 1.5)
    let p = distribution(logits, options)
    var counts = [Int](repeating: 0, count: p.count)
    let n = 20_000
    let noise = DrawNoise(method, images: [3, 4], seed: 9, count: n / 2, codes: 40)
    for draw in 0..<n {
      var copy = logits
      let place = Place(image: draw % 2, position: draw / 2)
      counts[copy.withUnsafeMutableBufferPointer { noise.draw($0, options, at: place) } ?? -1] += 1
    }
    var (statistic, cells) = (0.0, 0)
    for (count, share) in zip(counts, p) {
      if share == 0 { #expect(count == 0) }
      let expected = share * Double(n)
      guard expected >= 5 else { continue }
      (statistic, cells) = (statistic + pow(Double(count) - expected, 2) / expected, cells + 1)
    }
    // Chi-square: mean k - 1, variance 2 (k - 1); five standard deviations, and room for small k.
    let freedom = Double(cells - 1)
    #expect(statistic <= freedom + 5 * (2 * freedom).squareRoot() + 5 * (freedom > 0 ? 1 : 0))
  }

  @Test func temperatureZeroTakesTheFirstLargest() {
    #expect(draw([1, 5, 3, 5], DrawOptions(temperature: 0), 0.99) == 1)
    #expect(draw([7], DrawOptions(), 0.5) == 0)
  }

  @Test func equalLogitsAtTheEdgeOfTopKAreAllKept() {
    let found = Set((0..<300).map { draw([2, 1, 1, 1, -3], DrawOptions(topK: 2), (Double($0) + 0.5) / 300) })
    #expect(found == [0, 1, 2, 3])
  }

  @Test(arguments: options + [DrawOptions(temperature: 0)]) func logitsThatAreNotFinite(
    _ options: DrawOptions
  ) {
    for bad in [[Float.nan, 1, 2], [0, .nan], [1, .infinity], [-.infinity, -.infinity], [.nan]] {
      #expect(draw(bad, options, 0.5) == -1, "\(bad)")
    }
    #expect(draw([-.infinity, 3, -.infinity], options, 0.999) == 1, "a token may be impossible")
  }

  @Test func extremeLogits() {
    #expect(draw([-1e30, 0, -1e30], DrawOptions(), 0.999_999) == 1)
    #expect(draw([1e30, 0], DrawOptions(temperature: 0.01), 0.5) == 0)
    #expect(draw([0, 0], DrawOptions(), 0) == 0 && draw([0, 0], DrawOptions(), 1.0.nextDown) == 1)
  }
}
