import CKernels
@testable import TensorCore
import Testing
import TestSupport

/// The loops of elementwise.c and optimizer.c against the same formulas in double.
@Suite struct ElementwiseKernelTests {
  @Test(arguments: cornerSizes) func additionScalingAndAverages(n: Int) {
    let (a, b) = (normals(n, 1), normals(n, 2))
    var y = [Float](repeating: .nan, count: n)
    tsr_add(&y, a, b, n)
    expectWithin(y, zip(a, b).map { sum(Double($0), Double($1)) }, roundings: 1, "add")

    y = b
    tsr_axpy(&y, 0.3, a, n)
    expectWithin(y, zip(a, b).map { sum(Double($1), Double(Float(0.3)) * Double($0)) }, roundings: 2, "axpy")

    y = a
    y.withUnsafeMutableBufferPointer { tsr_scale($0.baseAddress, -1.7, $0.baseAddress, n) }
    expectWithin(y, a.map { ExactSum(Double(Float(-1.7)) * Double($0)) }, roundings: 1, "scale in place")

    y = b
    tsr_moving_average(&y, a, 0.99, n)
    let decay = Double(Float(0.99))
    expectWithin(
      y, zip(a, b).map { sum(decay * Double($1), (1 - decay) * Double($0)) }, roundings: 4, "moving average")
  }

  private func sum(_ a: Double, _ b: Double) -> ExactSum {
    var sum = ExactSum(a)
    sum.add(b)
    return sum
  }

  @Test(arguments: cornerSizes) func dotProduct(n: Int) {
    let (a, b) = (normals(n, 3), normals(n, 4, mean: 1))
    var exact = ExactSum()
    for (x, y) in zip(a, b) { exact.add(Double(x) * Double(y)) }
    // Floats are folded into a double every 4096 elements: longer sums are no less exact.
    expectWithin(tsr_dot(a, b, n), exact, roundings: Double(min(n, 4096)) + 2, "dot")
  }

  @Test func longSumsStayExact() {
    // In floats alone, 2^25 ones would stop growing at 2^24.
    let n = 1 << 25
    let ones = [Float](repeating: 1, count: n)
    #expect(tsr_dot(ones, ones, n) == Double(n))
    let zeros = [Float](repeating: 0, count: n)
    #expect(tsr_squared_error(nil, ones, zeros, 1, n) == Double(n))
    #expect(tsr_absolute_error(nil, zeros, ones, 1, n) == Double(n))
  }

  @Test(arguments: cornerSizes) func errorsAndTheirGradients(n: Int) {
    let x = normals(n, 5)
    var y = normals(n, 6)
    if n > 2 { y[1] = x[1] }
    let scale: Float = 0.125
    var (squares, distances) = (ExactSum(), ExactSum())
    for (a, b) in zip(x, y) {
      squares.add((Double(a) - Double(b)) * (Double(a) - Double(b)))
      distances.add(abs(Double(a) - Double(b)))
    }
    var gradient = [Float](repeating: .nan, count: n)
    let roundings = Double(min(n, 4096)) + 4
    expectWithin(tsr_squared_error(&gradient, x, y, scale, n), squares, roundings: roundings, "squared error")
    expectWithin(
      gradient, zip(x, y).map { ExactSum(2 * Double(scale) * (Double($0) - Double($1))) }, roundings: 3,
      "gradient of the squared error")
    expectWithin(
      tsr_absolute_error(&gradient, x, y, scale, n), distances, roundings: roundings, "absolute error")
    #expect(gradient == zip(x, y).map { $0 > $1 ? scale : $0 < $1 ? -scale : 0 })
  }

  @Test(arguments: [0, 1, 3, 40], [1, 3, 16, 33]) func biasAndColumnSums(rows: Int, n: Int) {
    let (x, bias) = (normals(rows * n, 7), normals(n, 8))
    var y = x
    tsr_add_bias(&y, bias, rows, n)
    let exact = x.indices.map {
      var sum = ExactSum(Double(x[$0]))
      sum.add(Double(bias[$0 % n]))
      return sum
    }
    expectWithin(y, exact, roundings: 1, "bias")
    var sums = bias
    tsr_column_sums(&sums, x, rows, n)
    let exactSums = (0..<n).map { column in
      var sum = ExactSum(Double(bias[column]))
      for row in 0..<rows { sum.add(Double(x[row * n + column])) }
      return sum
    }
    expectWithin(sums, exactSums, roundings: Double(rows), "column sums")
  }

  @Test(arguments: cornerSizes) func adamWStep(n: Int) {
    let (p, g) = (normals(n, 10), normals(n, 11))
    let (m, v) = (normals(n, 12), normals(n, 13).map { $0 * $0 })
    var (parameter, first, second) = (p, m, v)
    let (rate, beta1, beta2, decay) = (Float(0.01), Float(0.9), Float(0.95), Float(0.1))
    tsr_adamw(&parameter, &first, &second, g, 0.5, rate, beta1, beta2, 1e-8, decay, 0.19, 0.0975, n)
    var exact: (p: [ExactSum], m: [ExactSum], v: [ExactSum]) = ([], [], [])
    for i in 0..<n {
      let gradient = Double(g[i]) * 0.5
      var mean = ExactSum(Double(beta1) * Double(m[i]))
      mean.add((1 - Double(beta1)) * gradient)
      var square = ExactSum(Double(beta2) * Double(v[i]))
      square.add((1 - Double(beta2)) * gradient * gradient)
      let step = Double(rate) / 0.19 / ((square.value / 0.0975).squareRoot() + 1e-8)
      let kept = Double(p[i]) * (1 - Double(rate) * Double(decay))
      exact.p.append(
        ExactSum(kept - step * mean.value, magnitude: abs(kept) + step * mean.magnitude))
      exact.m.append(mean)
      exact.v.append(square)
    }
    expectWithin(first, exact.m, roundings: 8, "first moment")
    expectWithin(second, exact.v, roundings: 12, "second moment")
    expectWithin(parameter, exact.p, roundings: 32, "parameter")
  }
}
