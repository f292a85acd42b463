@testable import TensorCore
import Testing
import TestSupport

/// Matrix products against the sum of products in double.
@Suite struct MatrixProductTests {
  static let sizes = [
    (1, 1, 1), (3, 5, 7), (16, 16, 16), (17, 33, 9), (50, 1, 40), (1, 64, 31), (70, 40, 65),
    // Rows of the transposed left operand are 512 elements apart.
    (509, 20, 33),
  ]

  /// A stored matrix with rows further apart than they are long, and the element at (row, column) as read.
  struct Stored {
    let elements: [Float]
    let stride: Int
    let transposed: Bool

    init(rows: Int, columns: Int, transposed: Bool, _ index: UInt64) {
      let (storedRows, storedColumns) = transposed ? (columns, rows) : (rows, columns)
      (stride, self.transposed) = (storedColumns + 3, transposed)
      elements = normals(storedRows * stride, index)
    }

    func at(_ row: Int, _ column: Int) -> Double {
      Double(transposed ? elements[column * stride + row] : elements[row * stride + column])
    }
  }

  @Test(arguments: sizes, [1, 3])
  func everyTranspositionStrideAndBeta(size: (m: Int, n: Int, k: Int), threads: Int) {
    let (m, n, k) = size
    let device = Device(threadCount: threads)
    for variant in 0..<4 {
      let a = Stored(rows: m, columns: k, transposed: variant & 1 != 0, 90)
      let b = Stored(rows: k, columns: n, transposed: variant & 2 != 0, 91)
      for (alpha, beta) in [(Float(1), Float(0)), (-0.5, 1), (2, 0.25)] {
        let stride = n + 2
        // With beta 0 the old content must not matter, not even NaN.
        let before = beta == 0 ? [Float](repeating: .nan, count: m * stride) : normals(m * stride, 92)
        var c = before
        a.elements.withUnsafeBufferPointer { left in
          b.elements.withUnsafeBufferPointer { right in
            c.withUnsafeMutableBufferPointer {
              device.multiply(
                m: m, n: n, k: k, alpha: alpha,
                MatrixOperand(left.baseAddress!, stride: a.stride, transposed: a.transposed),
                MatrixOperand(right.baseAddress!, stride: b.stride, transposed: b.transposed), beta: beta,
                into: $0.baseAddress!, stride: stride)
            }
          }
        }
        var (results, exact) = ([Float](), [ExactSum]())
        for i in 0..<m {
          for j in 0..<stride where j >= n {
            #expect(
              c[i * stride + j].bitPattern == before[i * stride + j].bitPattern,
              "between the rows of the result")
          }
          for j in 0..<n {
            var sum = ExactSum(beta == 0 ? 0 : Double(beta) * Double(before[i * stride + j]))
            for l in 0..<k { sum.add(Double(alpha) * a.at(i, l) * b.at(l, j)) }
            results.append(c[i * stride + j])
            exact.append(sum)
          }
        }
        expectWithin(
          results, exact, roundings: Double(k) + 4, "variant \(variant), alpha \(alpha), beta \(beta)")
      }
    }
  }

  @Test func emptyProducts() {
    let device = Device(threadCount: 2)
    let (a, b) = (normals(12, 93), normals(12, 94))
    for (m, n) in [(0, 4), (4, 0)] {
      var c: [Float] = [5]
      device.multiply(
        m: m, n: n, k: 3, MatrixOperand(a, stride: 3), MatrixOperand(b, stride: 4), into: &c, stride: 4)
      #expect(c == [5])
    }
    // A sum of no products is zero, or the old content.
    var c = normals(12, 95)
    let before = c
    device.multiply(
      m: 3, n: 4, k: 0, MatrixOperand(a, stride: 1), MatrixOperand(b, stride: 4), beta: 1, into: &c, stride: 4
    )
    #expect(c == before)
    device.multiply(
      m: 3, n: 4, k: 0, MatrixOperand(a, stride: 1), MatrixOperand(b, stride: 4), into: &c, stride: 4)
    #expect(c == [Float](repeating: 0, count: 12))
  }

  /// Parts of a fixed size give the same bytes with any number of threads; all edges of the parts are right.
  @Test(arguments: [(257, 1000), (3, 513), (300, 40)], [Precision.float32, .bfloat16])
  func partsOfFixedSize(size: (m: Int, n: Int), precision: Precision) {
    let (m, n, k) = (size.m, size.n, 96)
    let (a, b) = (normals(m * k, 98), normals(n * k, 99))
    func product(_ device: Device) -> [Float] {
      var c = [Float](repeating: .nan, count: m * n)
      device.multiply(
        m: m, n: n, k: k, MatrixOperand(a, stride: k), MatrixOperand(b, stride: k, transposed: true),
        into: &c,
        stride: n)
      return c
    }
    let one = product(Device(threadCount: 1, precision: precision, productParts: .ofFixedSize))
    for threads in [2, 3, 5] {
      let device = Device(threadCount: threads, precision: precision, productParts: .ofFixedSize)
      #expect(product(device) == one, "\(threads) threads")
    }
    let shared = Device(
      sharingThreadsOf: Device(threadCount: 2, precision: precision), productParts: .ofFixedSize)
    #expect(product(shared) == one)
    let usual = product(Device(threadCount: 1, precision: precision))
    // Sums of 96 products of standard normal numbers, in another order.
    #expect(zip(one, usual).allSatisfy { abs($0 - $1) < 1e-4 })
  }

  @Test func repeatsBitForBit() {
    let (a, b) = (normals(200 * 130, 96), normals(130 * 90, 97))
    func product(_ device: Device) -> [Float] {
      var c = [Float](repeating: 0, count: 200 * 90)
      device.multiply(
        m: 200, n: 90, k: 130, MatrixOperand(a, stride: 130), MatrixOperand(b, stride: 90), into: &c,
        stride: 90)
      return c
    }
    for threads in 1...3 {
      let first = product(Device(threadCount: threads))
      let device = Device(threadCount: threads)
      for _ in 0..<5 { #expect(product(device) == first) }
    }
  }
}
