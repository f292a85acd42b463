import CKernels
@testable import TensorCore
import Testing
import TestSupport

/// Products of operands rounded to bfloat16.
@Suite struct BFloat16Tests {
  @Test func roundsToNearestTiesToEven() {
    let x: [Float] = [0, -0, 1, 1.00390625, 1.01171875, -3.1415927, 3.39e38, 1e-40]
    var halves = [UInt16](repeating: 0, count: x.count)
    tsr_to_bfloat16(&halves, x, x.count)
    for (value, half) in zip(x, halves) {
      // Seven bits of fraction remain: the two neighbours of a value are these, and a tie takes the even one.
      let below = value.bitPattern >> 16
      let (low, high) = (Float(bitPattern: below << 16), Float(bitPattern: (below + 1) << 16))
      let (toLow, toHigh) = (abs(Double(value) - Double(low)), abs(Double(high) - Double(value)))
      let nearest = toLow < toHigh || (toLow == toHigh && below % 2 == 0) || toLow == 0 ? below : below + 1
      #expect(UInt32(half) == nearest, "\(value)")
    }
  }

  @Test func infinityStaysAndTooLargeBecomesIt() {
    var halves = [UInt16](repeating: 0, count: 3)
    tsr_to_bfloat16(&halves, [.infinity, -.infinity, .greatestFiniteMagnitude], 3)
    #expect(halves == [0x7f80, 0xff80, 0x7f80])
  }

  @Test func notANumberStaysNotANumber() {
    let x = [Float(bitPattern: 0x7fff_ffff), Float(bitPattern: 0xff80_0001), .nan]
    var halves = [UInt16](repeating: 0, count: x.count)
    tsr_to_bfloat16(&halves, x, x.count)
    #expect(halves.allSatisfy { Float(bitPattern: UInt32($0) << 16).isNaN })
  }

  /// Both operands are off by at most 2^-8 of themselves, so a sum of products by 2^-7 of the sum of their sizes.
  @Test(arguments: [false, true], [false, true])
  func productsStayWithinTheRounding(transposedA: Bool, transposedB: Bool) {
    let exact = Device(threadCount: 2)
    let (m, n, k) = (96, 130, 128)
    for beta in [Float(0), 1] {
      let (a, b) = (exact.random([m, k], 1), exact.random([k, n], 2))
      let sizes = (a.toArray().map(abs), b.toArray().map(abs))
      func product(_ device: Device, _ a: Tensor, _ b: Tensor) -> [Float] {
        let c = device.full([m, n], 0.5)
        device.multiply(
          m: m, n: n, k: k, MatrixOperand(a.pointer, stride: transposedA ? m : k, transposed: transposedA),
          MatrixOperand(b.pointer, stride: transposedB ? k : n, transposed: transposedB), beta: beta,
          into: c.pointer, stride: n)
        return c.toArray()
      }
      let expected = product(exact, a, b)
      let bound = product(exact, exact.tensor(sizes.0, a.shape), exact.tensor(sizes.1, b.shape))
      for threads in 1...3 {
        let device = Device(threadCount: threads, precision: .bfloat16)
        let actual = product(device, a, b)
        let worst = zip(zip(actual, expected), bound).map { abs($0.0 - $0.1) / $1 }.max() ?? 0
        #expect(worst <= 0x1.02p-7, "\(threads) threads, beta \(beta): \(worst)")
        #expect(actual == product(device, a, b), "the same bytes each time")
      }
    }
  }

  @Test(arguments: 1...3) func preparedOperandsGiveTheSameBytes(threads: Int) {
    let device = Device(threadCount: threads, precision: .bfloat16)
    let (m, n, k, wide) = (96, 130, 128, 200)
    // Both stored matrices are parts of wider ones.
    let (a, b) = (device.random([k, wide], 3), device.random([n, wide], 4))
    func product(prepared: Bool) -> [Float] {
      var left = MatrixOperand(a.pointer, stride: wide)
      var right = MatrixOperand(b.pointer, stride: wide)
      if prepared {
        left = device.prepared(left, rows: k, columns: m)
        right = device.prepared(right, rows: n, columns: k)
      }
      let c = device.empty([m, n])
      device.multiply(
        m: m, n: n, k: k, left.asTransposed, right.asTransposed, into: c.pointer, stride: n)
      return c.toArray()
    }
    #expect(product(prepared: true) == product(prepared: false))
  }

  @Test func anUnsupportedFormatFallsBack() {
    let device = Device(threadCount: 1, precision: .bfloat16)
    #expect(device.precision == (Precision.bfloat16.isSupported ? .bfloat16 : .float32))
  }
}
