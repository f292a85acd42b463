import CKernels
import Glibc
@testable import TensorCore
import Testing
import TestSupport

/// exp and what is made of it: sigmoid, silu, SwiGLU.
@Suite struct ExponentialKernelTests {
  func exponentials(_ x: [Float]) -> [Float] {
    var y = [Float](repeating: .nan, count: x.count)
    tsr_exp(&y, x, x.count)
    return y
  }

  @Test func atMostTwoUlpOverTheWholeRange() {
    let x = (0...400_000).map { Float(-87.25 + 175.5 * Double($0) / 400_000) }
    var worst = (error: 0.0, at: Float(0))
    for (input, output) in zip(x, exponentials(x)) {
      let exact = exp(Double(input))
      let error = abs(Double(output) - exact) / Double(Float(exact).ulp)
      if error > worst.error { worst = (error, input) }
    }
    #expect(worst.error <= 2, "\(worst.error) ulp at \(worst.at)")
  }

  @Test func extremes() {
    let y = exponentials([0, -0.0, -.infinity, -1000, -87.3, 88.3, 1000, .infinity, .nan])
    #expect(y[0] == 1 && y[1] == 1)
    // Below the normal range the result stays at the smallest normal numbers, above it stays finite.
    #expect(y[2...4].allSatisfy { $0 > 0 && $0 < 1.3e-38 })
    #expect(y[5...7].allSatisfy { $0 > 2e38 && $0.isFinite })
    #expect(y[8].isNaN)
  }

  @Test func anElementDoesNotDependOnItsPlace() {
    let x = normals(67, 20, deviation: 5)
    let together = exponentials(x)
    for i in x.indices { #expect(exponentials([x[i]])[0] == together[i]) }
  }

  /// silu and its derivative with magnitudes of their errors: e^-x is 4 roundings off, and 1 - sigmoid
  /// loses what sigmoid has in front of it.
  static func silu(_ x: Double) -> (value: ExactSum, derivative: ExactSum) {
    let s = 1 / (1 + exp(-x))
    return (ExactSum(x * s), ExactSum(s + x * s * (1 - s), magnitude: s * (1 + abs(x))))
  }

  @Test(arguments: cornerSizes) func siluForwardAndBackward(n: Int) {
    let (x, dy) = (normals(n, 21, deviation: 6), normals(n, 22))
    var y = x
    y.withUnsafeMutableBufferPointer { tsr_silu($0.baseAddress, $0.baseAddress, n) }
    expectWithin(y, x.map { Self.silu(Double($0)).value }, roundings: 8, "silu in place")
    var dx = [Float](repeating: .nan, count: n)
    tsr_silu_backward(&dx, dy, x, n)
    let exact = zip(x, dy).map {
      let d = Self.silu(Double($0)).derivative
      return ExactSum(d.value * Double($1), magnitude: d.magnitude * abs(Double($1)))
    }
    expectWithin(dx, exact, roundings: 14, "silu backward")
  }

  @Test func siluOfLargeNumbers() {
    let x: [Float] = [-1e30, -100, 100, 1e30]
    var (y, dx) = (x, x)
    tsr_silu(&y, x, 4)
    #expect(abs(y[1]) < 1e-35 && y[2] == 100 && y[3] == 1e30)
    #expect(y.allSatisfy { $0.isFinite })
    tsr_silu_backward(&dx, [1, 1, 1, 1], x, 4)
    #expect(abs(dx[1]) < 1e-35 && dx[2] == 1 && dx[3] == 1)
  }

  @Test(arguments: [0, 1, 5], [1, 7, 16, 37]) func gatedUnit(rows: Int, n: Int) {
    let (both, dy) = (normals(rows * 2 * n, 23, deviation: 3), normals(rows * n, 24))
    var (y, d) = ([Float](repeating: .nan, count: rows * n), [Float](repeating: .nan, count: rows * 2 * n))
    tsr_swiglu(&y, both, rows, n)
    tsr_swiglu_backward(&d, dy, both, rows, n)
    var (exact, exactGate, exactUp): ([ExactSum], [ExactSum], [ExactSum]) = ([], [], [])
    for i in 0..<rows * n {
      let place = i / n * 2 * n + i % n
      let (gate, up, g) = (Double(both[place]), Double(both[place + n]), Double(dy[i]))
      let (value, derivative) = Self.silu(gate)
      exact.append(ExactSum(value.value * up))
      exactUp.append(ExactSum(value.value * g))
      exactGate.append(ExactSum(g * up * derivative.value, magnitude: abs(g * up) * derivative.magnitude))
    }
    expectWithin(y, exact, roundings: 9, "swiglu")
    let rowsOf = { (offset: Int) in (0..<rows * n).map { d[$0 / n * 2 * n + offset + $0 % n] } }
    expectWithin(rowsOf(0), exactGate, roundings: 16, "d gate")
    expectWithin(rowsOf(n), exactUp, roundings: 9, "d up")
  }

  @Test(arguments: [0, 1, 5], [1, 7, 16, 37]) func roundedGatedUnit(rows: Int, n: Int) {
    let (both, dy) = (normals(rows * 2 * n, 23, deviation: 3), normals(rows * n, 24))
    var (y, copy) = (
      [UInt16](repeating: 0x7fc0, count: rows * n), [UInt16](repeating: 0x7fc0, count: rows * 2 * n)
    )
    var (alone, dGate, dUp) = (y, y, y)
    tsr_swiglu_bfloat16(&y, &copy, both, rows, n)
    tsr_swiglu_bfloat16(&alone, nil, both, rows, n)
    #expect(alone == y)
    var expected = copy
    tsr_to_bfloat16(&expected, both, expected.count)
    #expect(copy == expected)
    tsr_swiglu_backward_bfloat16(&dGate, &dUp, dy, copy, rows, n)
    var (exact, exactGate, exactUp): ([ExactSum], [ExactSum], [ExactSum]) = ([], [], [])
    for i in 0..<rows * n {
      let place = i / n * 2 * n + i % n
      exact.append(ExactSum(Self.silu(Double(both[place])).value.value * Double(both[place + n])))
      let (gate, up, g) = (Self.wide(copy[place]), Self.wide(copy[place + n]), Double(dy[i]))
      let (value, derivative) = Self.silu(gate)
      exactUp.append(ExactSum(value.value * g))
      exactGate.append(ExactSum(g * up * derivative.value, magnitude: abs(g * up) * derivative.magnitude))
    }
    // A rounding to bfloat16 is 2^16 of those of float32.
    let floats = { (x: [UInt16]) in x.map { Float(Self.wide($0)) } }
    expectWithin(floats(y), exact, roundings: 9 + 0x1p16, "swiglu")
    expectWithin(floats(dGate), exactGate, roundings: 16 + 0x1p16, "d gate")
    expectWithin(floats(dUp), exactUp, roundings: 9 + 0x1p16, "d up")
  }

  private static func wide(_ half: UInt16) -> Double { Double(Float(bitPattern: UInt32(half) << 16)) }
}
