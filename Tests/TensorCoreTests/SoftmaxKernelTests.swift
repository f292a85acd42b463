import CKernels
import Glibc
import StreamFormat
@testable import TensorCore
import Testing
import TestSupport

/// The loops of softmax.c and rotary.c against the same formulas in double.
@Suite struct SoftmaxKernelTests {
  /// log of the sum of exponentials, in double.
  func logSumExp(_ x: [Double]) -> Double {
    let maximum = x.max()!
    return maximum + log(x.reduce(0) { $0 + exp($1 - maximum) })
  }

  @Test(arguments: [(1, 1), (1, 5), (5, 5), (16, 16), (17, 40), (100, 100)], [false, true])
  func softmaxRow(shape: (visible: Int, n: Int), masked: Bool) {
    let (visible, n) = shape
    let x = normals(n, 50, deviation: 4)
    let mask = (0..<n).map { UInt8($0 % 3 == 0 ? 1 : 0) }
    var row = x
    let sum = mask.withUnsafeBufferPointer {
      tsr_softmax_row(&row, masked ? $0.baseAddress : nil, 0.5, visible, n)
    }
    let seen = (0..<n).map { $0 < visible && (!masked || mask[$0] == 1) }
    let whole = logSumExp((0..<n).filter { seen[$0] }.map { Double(x[$0]) * 0.5 })
    let exact = (0..<n).map { seen[$0] ? ExactSum(exp(Double(x[$0]) * 0.5 - whole)) : ExactSum(0) }
    // An exponent of up to 20 in float32 is 20 roundings off, which exp makes a relative error.
    expectWithin(row, exact, roundings: Double(n) + 40, floor: 0, "softmax")
    for i in 0..<n where !seen[i] { #expect(row[i] == 0, "entry \(i) is hidden") }
    expectWithin(Double(sum), ExactSum(whole, magnitude: 20), roundings: Double(n) + 40, "log sum exp")
  }

  @Test(arguments: cornerSizes.filter { $0 > 0 && $0 < 1000 } + [16_384]) func exponentialsOfARow(n: Int) {
    let x = normals(n, 53, deviation: 4)
    var (weights, maximum) = ([Float](repeating: .nan, count: n), Float.nan)
    let sum = tsr_exponentials_row(&weights, &maximum, x, n)
    #expect(maximum == x.max())
    let exact = x.map { ExactSum(exp(Double($0) - Double(maximum))) }
    expectWithin(weights, exact, roundings: 40, "weights")
    let added = weights.reduce(0) { $0 + Double($1) }
    #expect(abs(sum - added) <= 1e-12 * added)
    for value in [x[0], maximum, -Float.infinity, 0] {
      #expect(tsr_count_above(x, value, n) == x.filter { $0 > value }.count, "above \(value)")
    }
  }

  @Test func aRowWithoutVisibleEntriesIsZero() {
    var row: [Float] = [3, 4, 5]
    #expect(tsr_softmax_row(&row, [0, 0, 0], 1, 3, 3) == -.infinity)
    #expect(row == [0, 0, 0])
    row = [3, 4, 5]
    #expect(tsr_softmax_row(&row, nil, 1, 0, 3) == -.infinity)
    #expect(row == [0, 0, 0])
  }

  @Test func softmaxOfLargeNumbers() {
    var row: [Float] = [30000, 29999, -30000, 30000]
    _ = tsr_softmax_row(&row, nil, 1, 4, 4)
    let share = 1 / (2 + exp(-1.0))
    expectWithin(
      row, [ExactSum(share), ExactSum(share * exp(-1)), ExactSum(0), ExactSum(share)], roundings: 10,
      "softmax at 30000")
  }

  @Test(arguments: cornerSizes.filter { $0 < 1000 }) func softmaxBackward(n: Int) {
    let (p, d) = (normals(n, 51).map { abs($0) / Float(n) }, normals(n, 52))
    var result = d
    tsr_softmax_backward_row(&result, p, 0.25, n)
    var dot = ExactSum()
    for i in 0..<n { dot.add(Double(p[i]) * Double(d[i])) }
    let exact = (0..<n).map {
      ExactSum(
        Double(p[$0]) * (Double(d[$0]) - dot.value) * 0.25,
        magnitude: Double(p[$0]) * (abs(Double(d[$0])) + dot.magnitude) * 0.25)
    }
    expectWithin(result, exact, roundings: Double(n) + 6, "softmax backward")
  }

  @Test(arguments: [1, 2, 12, 16, 48, 100], [(Float(0), 0), (0.1, 0), (0, 4), (0.2, 4)])
  func crossEntropyRow(n: Int, options: (smoothing: Float, clusterSize: Int)) {
    let size = n % 4 == 0 ? options.clusterSize : 0
    let x = normals(n, 53, deviation: 3)
    let (smoothing, weight, scale) = (Double(options.smoothing), 0.7, 0.3)
    for target in Set([0, n / 2, n - 1]) {
      let whole = logSumExp(x.map(Double.init))
      let first = size == 0 ? 0 : target / size * size
      let own = size == 0 ? 0 : logSumExp(x[first..<first + size].map(Double.init))
      let mean = x.reduce(0) { $0 + Double($1) } / Double(n)
      let exactLoss = whole - (1 - smoothing) * Double(x[target]) - smoothing * mean
      let exact = (0..<n).map { i in
        let p = exp(Double(x[i]) - whole)
        let inCluster = size > 0 && i >= first && i < first + size
        var d = ExactSum(p - (i == target ? 1 - smoothing : 0) - smoothing / Double(n))
        d = ExactSum(d.value, magnitude: p + (i == target ? 1 : 0) + smoothing / Double(n))
        if size > 0 {
          let q = inCluster ? exp(Double(x[i]) - own) : 0
          d = ExactSum(d.value + weight * (p - q), magnitude: d.magnitude + weight * (p + q))
        }
        return ExactSum(scale * d.value, magnitude: scale * d.magnitude)
      }
      var (losses, gradient) = ([Float](repeating: .nan, count: 2), x)
      gradient.withUnsafeMutableBufferPointer {
        tsr_cross_entropy_row(
          &losses, $0.baseAddress, $0.baseAddress!, n, target, options.smoothing, size, Float(weight),
          Float(scale))
      }
      let roundings = Double(n) + 60
      expectWithin(Double(losses[0]), ExactSum(exactLoss, magnitude: 12), roundings: roundings, "token loss")
      expectWithin(
        Double(losses[1]), ExactSum(size == 0 ? 0 : whole - own, magnitude: 12), roundings: roundings,
        "cluster loss")
      expectWithin(gradient, exact, roundings: roundings, "gradient over the logits")
      tsr_cross_entropy_row(&losses, nil, x, n, target, options.smoothing, size, Float(weight), Float(scale))
      expectWithin(Double(losses[0]), ExactSum(exactLoss, magnitude: 12), roundings: roundings, "loss alone")
    }
  }

  @Test(arguments: [1, 3], [2, 4, 16, 34]) func rotationAndBack(heads: Int, size: Int) {
    let x = normals(heads * size, 57)
    let angles = (0..<size / 2).flatMap { [Float(cos(Double($0) * 0.37)), Float(sin(Double($0) * 0.37))] }
    var y = x
    tsr_rotate_pairs(&y, angles, 1, heads, size)
    let exact = x.indices.map { i in
      let pair = i % size / 2
      let (c, s) = (Double(angles[2 * pair]), Double(angles[2 * pair + 1]))
      let other = Double(x[i ^ 1]) * s
      var sum = ExactSum(Double(x[i]) * c)
      sum.add(i % 2 == 0 ? -other : other)
      return sum
    }
    expectWithin(y, exact, roundings: 3, "rotation")
    tsr_rotate_pairs(&y, angles, -1, heads, size)
    expectClose(y, x, relativeToLargest: 8 * unitRoundoff, "rotation there and back")
  }

  @Test(arguments: [1, 5], [2, 16, 34]) func rowsRotateEachByItsOwnAngles(rows: Int, size: Int) {
    let (inStride, outStride) = (size + 3, size + 1)
    let (x, angles) = (normals(rows * inStride, 12), normals(rows * size, 13))
    var y = [Float](repeating: 7, count: rows * outStride)
    tsr_rotate_rows(&y, outStride, x, inStride, angles, -1, rows, size)
    for row in 0..<rows {
      var expected = Array(x[row * inStride..<row * inStride + size])
      tsr_rotate_pairs(&expected, Array(angles[row * size..<(row + 1) * size]), -1, 1, size)
      let found = Array(y[row * outStride..<row * outStride + size])
      expectClose(found, expected, relativeToLargest: 4 * unitRoundoff, "row \(row)")
      #expect(y[row * outStride + size] == 7, "what lies between the rows stays")
    }
  }
}
