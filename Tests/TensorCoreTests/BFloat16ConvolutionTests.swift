@testable import TensorCore
import Testing
import TestSupport

/// Convolutions of operands rounded to bfloat16. Both operands are off by at most 2^-8 of themselves, so a sum of
/// products by 2^-7 of the sum of their sizes, which the same convolution of sizes computes.
@Suite struct BFloat16ConvolutionTests {
  struct Case: Sendable {
    var shape: [Int]
    var geometry: ConvolutionGeometry
  }

  static let cases = [
    Case(shape: [1, 9, 7, 3], geometry: ConvolutionGeometry(inChannels: 3, outChannels: 20, kernel: 3)),
    Case(
      shape: [3, 8, 8, 16],
      geometry: ConvolutionGeometry(
        inChannels: 16, outChannels: 33, kernel: 3, stride: 2, padBefore: 0, padAfter: 1)),
    Case(shape: [2, 6, 5, 33], geometry: ConvolutionGeometry(inChannels: 33, outChannels: 3, kernel: 3)),
  ]

  /// Output and the three gradients.
  private func results(_ device: Device, _ tensors: [Tensor], _ g: ConvolutionGeometry) -> [[Float]] {
    let (x, w, b, dy) = (tensors[0], tensors[1], tensors[2], tensors[3])
    let input = device.convolutionInput(x)
    let y = device.convolve(input, weight: w, bias: b, g, training: true)
    let (dw, db) = (device.zeros(w.shape), device.zeros(b.shape))
    let dx = device.convolveBackward(
      dy, input: input, weight: w, g, weightGradient: dw, biasGradient: db, needsInputGradient: true)
    return [y, dx!, dw, db].map { $0.toArray() }
  }

  private func tensors(_ device: Device, _ c: Case) -> [Tensor] {
    let g = c.geometry
    let output = [c.shape[0], g.outputHeight(c.shape[1]), g.outputWidth(c.shape[2]), g.outChannels]
    return [c.shape, g.weightShape, [g.outChannels], output].enumerated().map {
      device.random($1, UInt64(110 + $0))
    }
  }

  @Test(arguments: cases) func forwardAndBackwardStayWithinTheRounding(_ c: Case) {
    let exact = Device(threadCount: 2)
    let inputs = tensors(exact, c)
    let expected = results(exact, inputs, c.geometry)
    let bounds = results(
      exact, inputs.map { exact.tensor($0.toArray().map(abs), $0.shape) }, c.geometry)
    for threads in 1...3 {
      let device = Device(threadCount: threads, precision: .bfloat16)
      let actual = results(device, inputs, c.geometry)
      for (index, name) in ["output", "d input", "d weight", "d bias"].enumerated() {
        let worst = actual[index].indices.map {
          abs(actual[index][$0] - expected[index][$0]) / max(bounds[index][$0], 1e-6)
        }.max()!
        #expect(worst <= 0x1.02p-7, "\(name), \(threads) threads: \(worst)")
      }
      #expect(actual == results(device, inputs, c.geometry), "the same bytes each time")
    }
  }

  @Test(arguments: Precision.allCases, cases) func packedWeightsGiveTheSameBytes(
    _ precision: Precision, _ c: Case
  ) {
    let device = Device(threadCount: 2, precision: precision)
    let t = tensors(device, c)
    let weights = ConvolutionWeights(c.geometry, weight: t[1], bias: t[2])
    let expected = device.convolve(t[0], weight: t[1], bias: t[2], c.geometry).toArray()
    for _ in 0..<2 { #expect(device.convolve(t[0], weights).toArray() == expected) }
  }
}
