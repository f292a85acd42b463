import CKernels
import Glibc
@testable import TensorCore
import Testing
import TestSupport

/// The loops of draw.c against sorting.
@Suite struct DrawKernelTests {
  @Test(arguments: [1, 2, 31, 32, 33, 100, 1000]) func largest(n: Int) {
    var x = normals(n, 60).map { ($0 * 2).rounded() }
    #expect(tsr_largest(x, n) == x.firstIndex(of: x.max()!)!)
    for place in [0, n / 2, n - 1] {
      let kept = x[place]
      x[place] = .nan
      #expect(tsr_largest(x, n) == n, "NaN at \(place)")
      x[place] = kept
    }
  }

  @Test(arguments: [1, 63, 64, 65, 300]) func weightsAndTheirSums(n: Int) {
    let (x, factor) = (normals(n, 61, deviation: 3), Float(1.7))
    let maximum = x.max()!
    var (y, sums) = (x, [Double](repeating: .nan, count: (n + 63) / 64))
    tsr_draw_weights(&y, &sums, maximum, factor, n)
    let exact = x.map { ExactSum(exp((Double($0) - Double(maximum)) * Double(factor))) }
    // The argument, of up to 30 or so, is rounded twice.
    expectWithin(y, exact, roundings: 80, "weights")
    for (block, sum) in sums.enumerated() {
      let part = y[block * 64..<min(n, (block + 1) * 64)].reduce(0.0) { $0 + Double($1) }
      #expect(abs(sum - part) <= 64 * unitRoundoff * part)
    }
  }

  @Test(arguments: [1, 2, 50, 3000], [false, true]) func thresholdByCount(n: Int, ties: Bool) {
    let weights = normals(n, 62).map { ties ? (abs($0) * 4).rounded() / 4 : exp($0 * 5) }
    let ranked = weights.sorted(by: >)
    for k in Set([1, 2, n / 3, n - 1, n]) where (1...n).contains(k) {
      var above = -1.0
      let edge = tsr_draw_threshold(weights, n, Double(k), false, &above)
      #expect(edge == ranked[k - 1], "\(k) of \(n)")
      #expect(Int(above) == ranked.count { $0 > edge })
    }
  }

  @Test(arguments: [1, 2, 50, 3000], [false, true]) func thresholdByMass(n: Int, ties: Bool) {
    let weights = normals(n, 63).map { ties ? (abs($0) * 4).rounded() / 4 + 0.25 : exp($0 * 3) }
    let ranked = weights.sorted(by: >)
    let total = ranked.reduce(0.0) { $0 + Double($1) }
    for share in [0.001, 0.37, 0.9, 0.999] {
      var (sum, last) = (0.0, 0)
      for (index, weight) in ranked.enumerated() {
        sum += Double(weight)
        last = index
        if sum >= share * total { break }
      }
      var above = -1.0
      let edge = tsr_draw_threshold(weights, n, share * total, true, &above)
      #expect(edge == ranked[last], "\(share) of \(n)")
      let expected = ranked.filter { $0 > edge }.reduce(0.0) { $0 + Double($1) }
      #expect(abs(above - expected) <= 1e-12 * total)
    }
    var above = 0.0
    #expect(
      tsr_draw_threshold(weights, n, total * 1.0000001, true, &above) == ranked[n - 1], "just beyond all")
  }
}
