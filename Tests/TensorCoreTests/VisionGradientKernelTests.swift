import CKernels
import Glibc
import TensorCore
import Testing
import TestSupport

/// The gradients of networks that look at images, against the same formulas in plain Swift.
@Suite struct VisionGradientKernelTests {
  @Test(arguments: [0, 1, 31, 100], [Float(6), .greatestFiniteMagnitude]) func clamp(count: Int, upper: Float)
  {
    let dy = normals(count, 1)
    let y = normals(count, 2).map { min(max(4 * $0, 0), upper) }
    var dx = [Float](repeating: .nan, count: count)
    tsr_clamp_positive_backward(&dx, dy, y, upper, count)
    #expect(dx == zip(y, dy).map { $0 > 0 && $0 < upper ? $1 : 0 })
  }

  @Test(arguments: [(3, 2, 0), (2, 2, 0), (3, 1, 1), (5, 3, 2)], [1, 5, 64, 100])
  func maxPool(window: (kernel: Int, stride: Int, pad: Int), channels: Int) {
    let (height, width) = (7, 8)
    func outputs(_ side: Int) -> Int { (side + 2 * window.pad - window.kernel) / window.stride + 1 }
    var random = CounterRandom(seed: 3, purpose: .test)
    // Few values, so that windows have equal ones.
    let x = (0..<height * width * channels).map { _ in Float(random.integer(below: 4)) }
    let dy = normals(outputs(height) * outputs(width) * channels, 4)
    var w = tsr_window(
      height: height, width: width, channels: channels, kernel: window.kernel, stride: window.stride,
      pad_top: window.pad, pad_left: window.pad, out_width: outputs(width))
    var y = [Float](repeating: .nan, count: dy.count)
    tsr_max_pool(&y, x, &w, 0, outputs(height))
    var expected = [Float](repeating: 0, count: x.count)
    for (place, gradient) in dy.enumerated() {
      let (row, column) = (place / channels / outputs(width), place / channels % outputs(width))
      let inputs = (0..<window.kernel * window.kernel).compactMap { tap -> Int? in
        let (i, j) = (
          row * window.stride - window.pad + tap / window.kernel,
          column * window.stride - window.pad + tap % window.kernel
        )
        let isInside = (0..<height).contains(i) && (0..<width).contains(j)
        return isInside ? (i * width + j) * channels + place % channels : nil
      }
      if let largest = inputs.first(where: { x[$0] == y[place] }) { expected[largest] += gradient }
    }
    var dx = [Float](repeating: 0, count: x.count)
    tsr_max_pool_backward(&dx, dy, y, x, &w, outputs(height))
    #expect(dx == expected)
  }

  @Test(arguments: [1, 3, 16, 37, 512]) func unitDistance(count: Int) {
    let (x, y) = (normals(count, 5), normals(count, 6))
    let weights = normals(count, 7).map { abs($0) }
    let (u, v) = (unit(x), unit(y))
    let terms = (0..<count).map {
      Double(weights[$0]) * (u.vector[$0] - v.vector[$0]) * (u.vector[$0] - v.vector[$0])
    }
    let distance = terms.reduce(0, +)
    #expect(abs(tsr_unit_distance(x, y, weights, count) - distance) <= 1e-12 * distance)
    #expect(tsr_unit_distance(x, x, weights, count) == 0)

    let outer = (0..<count).map { 2 * 0.3 * Double(weights[$0]) * (u.vector[$0] - v.vector[$0]) }
    let along = zip(outer, x).reduce(0) { $0 + $1.0 * Double($1.1) }
    let (m, e) = (u.length, 1e-10)
    let expected = (0..<count).map {
      Float(outer[$0] / (m + e) - Double(x[$0]) * along / (m * (m + e) * (m + e)))
    }
    var dx = [Float](repeating: .nan, count: count)
    tsr_unit_distance_gradient(&dx, x, y, weights, 0.3, count)
    // With one channel both terms cancel.
    let largest = outer.map { abs($0) / m }.max() ?? 0
    for (found, exact) in zip(dx, expected) { #expect(abs(Double(found - exact)) <= 1e-6 * largest) }
  }

  private func unit(_ x: [Float]) -> (vector: [Double], length: Double) {
    let length = x.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    return (x.map { Double($0) / (length + 1e-10) }, length)
  }

  @Test func zerosHaveNoGradient() {
    let (zeros, y) = ([Float](repeating: 0, count: 8), normals(8, 8))
    let weights = [Float](repeating: 1, count: 8)
    var dx = [Float](repeating: .nan, count: 8)
    tsr_unit_distance_gradient(&dx, zeros, y, weights, 1, 8)
    #expect(dx == zeros)
    #expect(abs(tsr_unit_distance(zeros, y, weights, 8) - 1) < 1e-8)
  }
}
