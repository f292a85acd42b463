import CKernels
@testable import TensorCore
import Testing
import TestSupport

/// The loops of norm.c against the same formulas in double.
@Suite struct NormKernelTests {
  static let shapes = [(0, 5), (1, 1), (1, 16), (3, 7), (5, 33), (70, 65), (2, 1000)]

  func nan(_ n: Int) -> [Float] { [Float](repeating: .nan, count: n) }

  @Test(arguments: shapes) func rmsNorm(rows: Int, n: Int) {
    let (x, w, dy) = (normals(rows * n, 30, deviation: 2), normals(n, 31), normals(rows * n, 32))
    var (y, inverse, dx, dw) = (nan(rows * n), nan(rows), nan(rows * n), normals(n, 33))
    let before = dw
    tsr_rms_norm(&y, &inverse, x, w, 1e-5, rows, n)
    tsr_rms_norm_backward(&dx, &dw, dy, x, w, inverse, rows, n)
    var (exact, exactInput) = ([ExactSum](), [ExactSum]())
    var exactWeight = before.map { ExactSum(Double($0)) }
    for r in 0..<rows {
      let row = x[r * n..<(r + 1) * n].map(Double.init), d = dy[r * n..<(r + 1) * n].map(Double.init)
      let scale = 1 / (row.reduce(0) { $0 + $1 * $1 } / Double(n) + Double(Float(1e-5))).squareRoot()
      var dot = ExactSum()
      for i in 0..<n { dot.add(d[i] * Double(w[i]) * row[i]) }
      let factor = scale * scale * scale / Double(n)
      for i in 0..<n {
        exact.append(ExactSum(row[i] * scale * Double(w[i])))
        exactWeight[i].add(d[i] * row[i] * scale)
        let direct = d[i] * Double(w[i]) * scale
        exactInput.append(
          ExactSum(
            direct - row[i] * dot.value * factor,
            magnitude: abs(direct) + abs(row[i]) * dot.magnitude * factor))
      }
    }
    expectWithin(y, exact, roundings: Double(n) / 2 + 8, "rms norm")
    expectWithin(dw, exactWeight, roundings: Double(n + rows) + 8, "d weight")
    expectWithin(dx, exactInput, roundings: 3 * Double(n) + 16, "d x")
  }

  @Test(arguments: shapes) func channelMoments(rows: Int, n: Int) {
    let (x, pivot) = (normals(rows * n, 34, mean: 100), normals(n, 35, mean: 100))
    var (sums, squares) = ([Double](repeating: 1, count: n), [Double](repeating: 2, count: n))
    tsr_channel_moments(&sums, &squares, x, pivot, rows, n)
    for c in 0..<n {
      var (s, q) = (ExactSum(1), ExactSum(2))
      for r in 0..<rows {
        // The difference of two near floats is exact; each sum runs over at most 32 floats.
        let v = Double(x[r * n + c] - pivot[c])
        s.add(v)
        q.add(v * v)
      }
      expectWithin(sums[c], s, roundings: 33, "sum of channel \(c)")
      expectWithin(squares[c], q, roundings: 34, "squares of channel \(c)")
    }
  }

  @Test(arguments: shapes, [false, true]) func scaleShift(shape: (Int, Int), silu: Bool) {
    let (rows, n) = shape
    let (x, dy) = (normals(rows * n, 36, deviation: 3), normals(rows * n, 37))
    let (scale, shift) = (normals(n, 38), normals(n, 39))
    var (y, du) = (nan(rows * n), nan(rows * n))
    var (sums, products) = ([Double](repeating: 0, count: n), [Double](repeating: 0, count: n))
    tsr_scale_shift(&y, x, scale, shift, silu, rows, n)
    tsr_scale_shift_backward(&du, &sums, &products, dy, x, scale, shift, silu, rows, n)
    var (exact, exactGradient) = ([ExactSum](), [ExactSum]())
    for i in x.indices {
      var u = ExactSum(Double(x[i]) * Double(scale[i % n]))
      u.add(Double(shift[i % n]))
      let (value, derivative) = ExponentialKernelTests.silu(u.value)
      // The error of u goes through silu, whose slope is below 1.1 and whose curvature is at most 0.5.
      exact.append(silu ? ExactSum(value.value, magnitude: u.magnitude + value.magnitude) : u)
      let g = Double(dy[i])
      exactGradient.append(
        silu
          ? ExactSum(g * derivative.value, magnitude: abs(g) * (u.magnitude + derivative.magnitude))
          : ExactSum(g))
    }
    expectWithin(y, exact, roundings: 10, "scale and shift")
    expectWithin(du, exactGradient, roundings: 16, "du")
    for c in 0..<n {
      var (s, p) = (0.0, 0.0)
      var (magnitude, magnitudeX) = (0.0, 0.0)
      for r in 0..<rows {
        let g = exactGradient[r * n + c], input = Double(x[r * n + c])
        (s, p) = (s + g.value, p + g.value * input)
        (magnitude, magnitudeX) = (magnitude + g.magnitude, magnitudeX + g.magnitude * abs(input))
      }
      expectWithin(sums[c], ExactSum(s, magnitude: magnitude), roundings: 50, "sum du of channel \(c)")
      expectWithin(products[c], ExactSum(p, magnitude: magnitudeX), roundings: 51, "sum du x of channel \(c)")
    }
  }

  /// Rounding to 8 bits is off by at most 2^-8 of the value; a last bit of the value itself may tip it over.
  @Test(arguments: shapes, [false, true]) func scaleShiftInBFloat16(shape: (Int, Int), silu: Bool) {
    let (rows, n) = shape
    let (x, scale, shift) = (normals(rows * n, 36, deviation: 3), normals(n, 38), normals(n, 39))
    var (y, rounded) = (nan(rows * n), [UInt16](repeating: 0x7fc0, count: rows * n))
    tsr_scale_shift(&y, x, scale, shift, silu, rows, n)
    tsr_scale_shift_bfloat16(&rounded, x, scale, shift, silu, rows, n)
    for (exact, half) in zip(y, rounded) {
      let value = Float(bitPattern: UInt32(half) << 16)
      #expect(abs(value - exact) <= 0x1.01p-8 * abs(exact) + 1e-6, "\(exact) as \(value)")
    }
  }

  @Test(arguments: shapes) func affinePair(rows: Int, n: Int) {
    let (x, du) = (normals(rows * n, 40), normals(rows * n, 41))
    let (a, b, c) = (normals(n, 42), normals(n, 43), normals(n, 44))
    var dx = du
    dx.withUnsafeMutableBufferPointer { tsr_affine_pair($0.baseAddress, $0.baseAddress, x, a, b, c, rows, n) }
    let exact = x.indices.map {
      var sum = ExactSum(Double(du[$0]) * Double(a[$0 % n]))
      sum.add(Double(x[$0]) * Double(b[$0 % n]))
      sum.add(Double(c[$0 % n]))
      return sum
    }
    expectWithin(dx, exact, roundings: 4, "affine pair in place")
  }

  @Test(arguments: shapes) func unitLength(rows: Int, n: Int) {
    var x = normals(rows * n, 45)
    let dy = normals(rows * n, 46)
    if rows > 2 { for i in 0..<n { x[n + i] = 0 } }
    var (y, inverse, dx) = (nan(rows * n), nan(rows), nan(rows * n))
    tsr_l2_normalize(&y, &inverse, x, 1e-12, rows, n)
    tsr_l2_normalize_backward(&dx, dy, y, inverse, rows, n)
    var (exact, exactInput) = ([ExactSum](), [ExactSum]())
    for r in 0..<rows {
      let row = x[r * n..<(r + 1) * n].map(Double.init), d = dy[r * n..<(r + 1) * n].map(Double.init)
      let scale = 1 / max(row.reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-12)
      var dot = ExactSum()
      for i in 0..<n { dot.add(d[i] * row[i] * scale) }
      for i in 0..<n {
        exact.append(ExactSum(row[i] * scale))
        exactInput.append(
          ExactSum(
            (d[i] - row[i] * scale * dot.value) * scale,
            magnitude: (abs(d[i]) + abs(row[i]) * scale * dot.magnitude) * scale))
      }
    }
    expectWithin(y, exact, roundings: Double(n) / 2 + 6, "unit length")
    expectWithin(dx, exactInput, roundings: 3 * Double(n) + 16, "unit length backward")
  }
}
