import CKernels
import Glibc
@testable import TensorCore
import Testing

/// The random streams: what they depend on, and what they look like.
@Suite struct CounterRandomTests {
  func words(_ random: CounterRandom, _ count: Int = 64) -> [UInt64] {
    var random = random
    return (0..<count).map { _ in random.next() }
  }

  @Test func aStreamIsPhiloxOfItsKey() {
    var expected = [UInt32](repeating: 0, count: 8)
    tsr_philox(&expected, 0x5566_7788, 0x1122_3344, 0, 11, 0xddee_ff00, 0x99aa_bbcc, 2)
    let random = CounterRandom(seed: 0x1122_3344_5566_7788, purpose: .test, index: 0x99aa_bbcc_ddee_ff00)
    let found = words(random, 4).flatMap { [UInt32(truncatingIfNeeded: $0), UInt32($0 >> 32)] }
    #expect(found.sorted() == expected.sorted())
    var filled = [UInt32](repeating: 0, count: 8)
    random.fill(&filled, blocks: 2)
    #expect(filled == expected)
    random.fill(&filled, blocks: 1, first: 1)
    #expect(Array(filled[..<4]) == Array(expected[4...]))
  }

  @Test func streamsDifferInSeedPurposeAndIndex() {
    let streams = [
      CounterRandom(seed: 1, purpose: .test), CounterRandom(seed: 2, purpose: .test),
      CounterRandom(seed: 1 << 32, purpose: .test), CounterRandom(seed: 1, purpose: .order),
      CounterRandom(seed: 1, purpose: .test, index: 1),
      CounterRandom(seed: 1, purpose: .test, index: 1 << 32),
    ].map { Set(words($0)) }
    for i in streams.indices {
      for j in 0..<i { #expect(streams[i].isDisjoint(with: streams[j]), "streams \(i) and \(j)") }
    }
    #expect(words(CounterRandom(seed: 5, purpose: .test)) == words(CounterRandom(seed: 5, purpose: .test)))
  }

  @Test func neighbouringStreamsAreUncorrelated() {
    let n = 20_000
    func uniforms(_ index: UInt64) -> [Double] {
      var random = CounterRandom(seed: 3, purpose: .sampling, index: index)
      return (0..<n).map { _ in random.uniform() - 0.5 }
    }
    let (a, b) = (uniforms(0), uniforms(1))
    let correlation = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } / Double(n) * 12
    let lag = zip(a, a.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 } / Double(n) * 12
    // Five standard deviations of the mean of n products.
    #expect(abs(correlation) < 5 / Double(n).squareRoot() && abs(lag) < 5 / Double(n).squareRoot())
  }

  @Test func momentsOfUniformAndNormal() {
    var random = CounterRandom(seed: 4, purpose: .test)
    let n = 100_000
    let uniform = (0..<n).map { _ in random.uniform() }
    let normal = (0..<n).map { _ in random.normal() }
    func moment(_ x: [Double], _ power: Int) -> Double {
      x.reduce(0) { $0 + pow($1, Double(power)) } / Double(n)
    }
    // Each within five standard deviations of a mean over n: sqrt((E x^2p - (E x^p)^2) / n).
    let five = 5 / Double(n).squareRoot()
    #expect(uniform.allSatisfy { $0 >= 0 && $0 < 1 })
    #expect(abs(moment(uniform, 1) - 1 / 2) < five * 0.2887)
    #expect(abs(moment(uniform, 2) - 1 / 3) < five * 0.2981)
    #expect(abs(moment(normal, 1)) < five)
    #expect(abs(moment(normal, 2) - 1) < five * 1.4142)
    #expect(abs(moment(normal, 3)) < five * 3.873)
    #expect(abs(moment(normal, 4) - 3) < five * 9.798)
  }

  @Test func integersStayBelowAndAreEven() {
    var random = CounterRandom(seed: 5, purpose: .test)
    for bound in [1, 2, 7, 1000] {
      var counts = [Int](repeating: 0, count: bound)
      let n = 200 * bound
      for _ in 0..<n { counts[random.integer(below: bound)] += 1 }
      // Pearson's statistic has mean bound - 1 and variance 2 (bound - 1).
      let statistic = counts.reduce(0.0) { $0 + pow(Double($1) - 200, 2) / 200 }
      #expect(abs(statistic - Double(bound - 1)) <= 5 * (2 * Double(bound - 1)).squareRoot())
    }
    for _ in 0..<1000 {
      let value = random.integer(below: (1 << 32) - 1)
      #expect(value >= 0 && value < (1 << 32) - 1)
    }
  }

  @Test func permutationsHoldEveryNumberOnce() {
    var random = CounterRandom(seed: 6, purpose: .test)
    for n in [0, 1, 2, 3, 100] { #expect(random.permutation(n).sorted() == Array(0..<n)) }
    var counts: [[Int]: Int] = [:]
    for _ in 0..<6000 { counts[random.permutation(3), default: 0] += 1 }
    // Six orders, 1000 each, standard deviation 29.
    #expect(counts.count == 6 && counts.values.allSatisfy { abs($0 - 1000) < 150 })
  }
}
