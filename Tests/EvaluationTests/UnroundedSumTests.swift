@testable import Evaluation
import Testing

/// Sums that do not depend on the order and the grouping of what is added.
@Suite struct UnroundedSumTests {
  /// Numbers of very different magnitude and both signs, which are exact multiples of 2^-60 below 2^63.
  private func numbers(_ count: Int, seed: UInt64) -> [Double] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let mantissa = Double(Int64(bitPattern: state) >> 24)
      return Double(sign: .plus, exponent: Int(state % 80) - 60, significand: mantissa)
    }
  }

  @Test func againstIntegers() {
    for seed in 1...20 as ClosedRange<UInt64> {
      let values = numbers(200, seed: seed)
      // The same sum in units of 2^-60: 40 bits of mantissa and 80 of exponent fit.
      var exact = Int128(0)
      for value in values { exact += Int128(value * 0x1p60) }
      let sum = UnroundedSum(values)
      #expect(sum.value == Double(exact) * 0x1p-60, "seed \(seed)")
      #expect(sum.terms.reduce(Int128(0)) { $0 + Int128($1 * 0x1p60) } == exact, "seed \(seed)")
    }
  }

  @Test func orderAndGroupingDoNotMatter() {
    let values = numbers(300, seed: 7)
    let whole = UnroundedSum(values)
    #expect(UnroundedSum(values.reversed()) == whole && UnroundedSum(values.sorted()).terms == whole.terms)
    for cuts in [[10], [1, 2, 299], [100, 200], [0, 300]] {
      var sum = UnroundedSum()
      for (begin, end) in zip([0] + cuts, cuts + [300]) {
        // As the summary of a shard carries it.
        sum.add(UnroundedSum(UnroundedSum(Array(values[begin..<end])).terms))
      }
      #expect(sum.terms == whole.terms && sum.value == whole.value)
    }
  }

  @Test func tiesGoToTheSideOfWhatIsLeft() {
    #expect(UnroundedSum([1, 0x1p-53]).value == 1)
    #expect(UnroundedSum([1, 0x1p-53, 0x1p-120]).value == 1 + 0x1p-52)
    #expect(UnroundedSum([1, -0x1p-54, -0x1p-120]).value == 1 - 0x1p-53)
    #expect(UnroundedSum([1e30, 1, -1e30]).terms == [1] && UnroundedSum([0.1, -0.1]).terms == [])
    #expect(UnroundedSum().value == 0)
  }

  @Test func whatIsNotFiniteStays() {
    #expect(UnroundedSum([1, .infinity, 2]).value == .infinity)
    #expect(UnroundedSum([1, .nan]).value.isNaN && UnroundedSum([.infinity, -.infinity]).value.isNaN)
    var sum = UnroundedSum([1])
    sum.add(UnroundedSum([-.infinity]))
    #expect(sum.value == -.infinity)
  }
}
