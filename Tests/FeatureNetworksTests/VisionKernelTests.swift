import Autograd
import CKernels
@testable import FeatureNetworks
@testable import TensorCore
import Testing
import TestSupport

/// Pooling and depthwise convolution against their definitions.
@Suite struct VisionKernelTests {
  /// Kernel, stride, zeros before and after.
  static let windows = [(3, 1, 1, 1), (3, 2, 0, 0), (3, 2, 0, 1), (5, 2, 1, 2), (5, 1, 2, 2), (1, 1, 0, 0)]

  /// The values of one channel under a window, with their places in the kernel.
  private func values(
    _ x: Tensor, _ w: PoolingWindow, image: Int, y: Int, x column: Int, channel: Int
  ) -> [(Float, Int)] {
    (0..<w.kernel * w.kernel).compactMap { k in
      let (iy, ix) = (
        y * w.stride + k / w.kernel - w.padBefore, column * w.stride + k % w.kernel - w.padBefore
      )
      guard (0..<x.shape[1]).contains(iy), (0..<x.shape[2]).contains(ix) else { return nil }
      return (x.pointer[((image * x.shape[1] + iy) * x.shape[2] + ix) * x.shape[3] + channel], k)
    }
  }

  private func check(
    _ w: PoolingWindow, threads: Int, channels: Int, tolerance: Double, apply: (Tensor, Device) -> Tensor,
    definition: ([(Float, Int)], Int) -> Double
  ) {
    let device = Device(threadCount: threads)
    let x = device.random([3, 7, 9, channels], 5)
    let y = apply(x, device)
    #expect(y.shape == [3, w.outputSize(7), w.outputSize(9), channels])
    for (i, value) in y.toArray().enumerated() {
      let (c, place) = (i % channels, i / channels)
      let (column, row) = (place % y.shape[2], place / y.shape[2])
      let under = values(x, w, image: row / y.shape[1], y: row % y.shape[1], x: column, channel: c)
      #expect(abs(Double(value) - definition(under, c)) <= tolerance)
    }
  }

  @Test(arguments: windows.indices, [1, 2, 5]) func pooling(index: Int, threads: Int) {
    let (kernel, stride, before, after) = Self.windows[index]
    let w = PoolingWindow(kernel: kernel, stride: stride, padBefore: before, padAfter: after)
    check(w, threads: threads, channels: 5, tolerance: 0, apply: ImageGraph.maxPool(w).apply) { under, _ in
      Double(under.map(\.0).max()!)
    }
    check(w, threads: threads, channels: 5, tolerance: 1e-6, apply: ImageGraph.averagePool(w).apply) {
      under, _ in
      under.reduce(0) { $0 + Double($1.0) } / Double(under.count)
    }
  }

  @Test(arguments: windows.indices, [1, 2, 5]) func depthwise(index: Int, threads: Int) {
    let (kernel, stride, before, after) = Self.windows[index]
    let w = PoolingWindow(kernel: kernel, stride: stride, padBefore: before, padAfter: after)
    let device = Device(threadCount: 1)
    let (weight, bias) = (device.random([kernel, kernel, 19], 6), device.random([19], 7))
    // A low ceiling, so that both cuts are met.
    let layer = DepthwiseConvolution(window: w, weight: weight, bias: bias, upper: 1.5)
    check(w, threads: threads, channels: 19, tolerance: 2e-5, apply: layer.apply) { under, c in
      let sum = under.reduce(Double(bias.pointer[c])) {
        $0 + Double($1.0) * Double(weight.pointer[$1.1 * 19 + c])
      }
      return min(max(sum, 0), 1.5)
    }
  }

  @Test func meansAreKeptInDouble() {
    let device = Device(threadCount: 2)
    // In float, the small number would be lost in the sum of the large ones.
    let x = device.full([1, 100, 100, 67], 0x1p20)
    for c in 0..<67 { x.pointer[c] = Float(c) }
    let means = meanOverPlaces(x, device).toArray()
    for c in 0..<67 {
      let sum = 0x1p20 * 9999 + Double(c)
      #expect(means[c] == Float(sum / 10000))
    }
  }

  @Test func samePaddingIsTensorFlows() {
    #expect(samePadding(128, kernel: 3, stride: 2) == (0, 1))
    #expect(samePadding(227, kernel: 3, stride: 2) == (1, 1))
    #expect(samePadding(7, kernel: 5, stride: 1) == (2, 2))
    #expect(samePadding(4, kernel: 1, stride: 3) == (0, 0))
  }
}
