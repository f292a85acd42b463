@testable import TensorCore
import Testing
import TestSupport

/// Convolutions of doubled images, against the definition in double on an image that is doubled first.
@Suite struct UpsampledConvolutionTests {
  static let sizes = [(1, 1), (1, 4), (5, 3), (8, 8)]

  /// The image [B, H, W, C], each pixel four times.
  func doubled(_ x: Tensor, on device: Device) -> Tensor {
    let (b, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    let values = x.toArray()
    var result: [Float] = []
    for row in 0..<b * 2 * h {
      for column in 0..<2 * w {
        let first = ((row / (2 * h) * h + row % (2 * h) / 2) * w + column / 2) * c
        result += values[first..<first + c]
      }
    }
    return device.tensor(result, [b, 2 * h, 2 * w, c])
  }

  @Test(arguments: sizes.indices, [1, 2, 3]) func equalsTheConvolutionOfTheDoubledImage(
    size: Int, threads: Int
  ) {
    let (height, width) = Self.sizes[size]
    let g = ConvolutionGeometry(inChannels: 5, outChannels: 7, kernel: 3)
    let device = Device(threadCount: threads)
    let (weight, bias) = (device.random(g.weightShape, 2), device.random([7], 3))
    let weights = UpsampledConvolutionWeights(g, weight: weight, bias: bias)
    // The first call sums and packs, the second finds what is packed; another batch packs once more.
    for batch in [1, 1, 3] {
      let x = device.random([batch, height, width, 5], UInt64(batch))
      let expected = definition(doubled(x, on: device), weight, bias, g)
      #expect(largestError(device.convolveUpsampled(x, weights), expected) < 1e-5)
    }
  }

  /// The sums of weights are rounded once, where the convolution of the doubled image rounds each of them.
  @Test func bfloat16StaysWithinTheRounding() {
    let g = ConvolutionGeometry(inChannels: 16, outChannels: 20, kernel: 3)
    let device = Device(threadCount: 2, precision: .bfloat16)
    let x = device.random([2, 6, 5, 16], 1)
    let (weight, bias) = (device.random(g.weightShape, 2), device.random([20], 3))
    let found = device.convolveUpsampled(x, UpsampledConvolutionWeights(g, weight: weight, bias: bias))
    let exact = definition(doubled(x, on: device), weight, bias, g)
    func sizes(_ tensor: Tensor) -> Tensor { device.tensor(tensor.toArray().map(abs), tensor.shape) }
    let bounds = definition(doubled(sizes(x), on: device), sizes(weight), sizes(bias), g)
    let worst = zip(found.toArray(), zip(exact, bounds)).map { abs(Double($0) - $1.0) / $1.1 }.max()!
    #expect(worst <= 0x1.02p-7)
  }

  /// An image of this size is the same in any batch and by any number of threads. oneDNN does not promise it for all sizes in
  /// bfloat16, and neither do the tools.
  @Test(arguments: Precision.allCases) func theBytesDoNotDependOnBatchOrThreads(precision: Precision) {
    let g = ConvolutionGeometry(inChannels: 8, outChannels: 8, kernel: 3)
    func output(threads: Int, images: Range<Int>) -> [Float] {
      let device = Device(threadCount: threads, precision: precision)
      let all = device.random([3, 8, 8, 8], 1).toArray()
      let x = device.tensor(
        Array(all[images.lowerBound * 512..<images.upperBound * 512]), [images.count, 8, 8, 8])
      let weights = UpsampledConvolutionWeights(
        g, weight: device.random(g.weightShape, 2), bias: device.random([8], 3))
      return device.convolveUpsampled(x, weights).toArray()
    }
    let all = output(threads: 2, images: 0..<3)
    #expect(output(threads: 1, images: 0..<3) == all && output(threads: 3, images: 0..<3) == all)
    #expect((0..<3).flatMap { output(threads: 2, images: $0..<$0 + 1) } == all)
  }
}
