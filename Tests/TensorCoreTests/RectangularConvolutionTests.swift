@testable import TensorCore
import Testing
import TestSupport

/// Kernels that are not square, against the definition in double, by both implementations.
@Suite struct RectangularConvolutionTests {
  /// Kernel height and width, stride, vertical and horizontal padding.
  static let windows = [
    (1, 7, 1, 0, 3), (7, 1, 1, 3, 0), (1, 3, 1, 0, 1), (3, 1, 1, 1, 0), (2, 5, 2, 1, 0), (3, 1, 2, 0, 0),
  ]

  @Test(arguments: windows.indices, [1, 2, 3]) func bothImplementations(window: Int, threads: Int) {
    let (kernelHeight, kernelWidth, stride, vertical, horizontal) = Self.windows[window]
    let g = ConvolutionGeometry(
      inChannels: 5, outChannels: 9, kernelHeight: kernelHeight, kernelWidth: kernelWidth, stride: stride,
      padVertical: vertical, padHorizontal: horizontal)
    let device = Device(threadCount: threads)
    for batch in [1, 3] {
      let input = normals(device, [batch, 9, 11, 5], 1)
      let weight = normals(device, g.weightShape, 2)
      let bias = normals(device, [9], 3)
      let expected = definition(input, weight, bias, g)
      let output = device.convolve(input, weight: weight, bias: bias, g)
      let trained = device.convolve(input, weight: weight, bias: bias, g, training: true)
      let patched = device.empty(output.shape)
      ConvolutionByPatches().forward(
        device, input: device.convolutionInput(input), weight: weight, bias: bias, output: patched, g,
        training: false)
      for (tensor, what) in [(output, "inference"), (trained, "training"), (patched, "by patches")] {
        #expect(largestError(tensor, expected) < 1e-5, "\(what), batch \(batch)")
      }
    }
  }

  @Test(arguments: [ConvolutionWeights.Activation.none, .relu, .relu6], [1, 2, 3])
  func preparedWeights(activation: ConvolutionWeights.Activation, threads: Int) {
    let g = ConvolutionGeometry(
      inChannels: 5, outChannels: 9, kernelHeight: 3, kernelWidth: 1, padVertical: 1, padHorizontal: 0)
    let device = Device(threadCount: threads)
    let (weight, bias) = (normals(device, g.weightShape, 2), normals(device, [9], 3))
    let weights = ConvolutionWeights(g, weight: weight, bias: bias, activation: activation)
    // The first call packs, the second finds the packed weights; another batch packs once more.
    for batch in [1, 1, 3] {
      let input = normals(device, [batch, 9, 11, 5], 1)
      let plain = definition(input, weight, bias, g)
      let expected =
        switch activation {
        case .none: plain
        case .relu: plain.map { max($0, 0) }
        case .relu6: plain.map { min(max($0, 0), 6) }
        }
      let output = device.convolve(input, weights)
      let patched = device.empty(output.shape)
      ConvolutionByPatches().forward(
        device, input: device.convolutionInput(input), weights, output: patched)
      #expect(largestError(output, expected) < 1e-5)
      #expect(largestError(patched, expected) < 1e-5)
    }
  }

  /// dot(dy, conv(x)) is linear in x and in the weights: its gradients are the other two's products.
  @Test(arguments: windows.indices) func gradientsAreTheAdjoint(window: Int) {
    let (kernelHeight, kernelWidth, stride, vertical, horizontal) = Self.windows[window]
    let g = ConvolutionGeometry(
      inChannels: 3, outChannels: 4, kernelHeight: kernelHeight, kernelWidth: kernelWidth, stride: stride,
      padVertical: vertical, padHorizontal: horizontal)
    let device = Device(threadCount: 2)
    let (input, weight) = (normals(device, [2, 9, 11, 3], 1), normals(device, g.weightShape, 2))
    let bias = device.zeros([4])
    let output = device.convolve(input, weight: weight, bias: bias, g)
    let gradient = normals(device, output.shape, 4)
    let product = dot(output, gradient)
    for byPatches in [false, true] {
      let (dw, db) = (device.zeros(g.weightShape), device.zeros([4]))
      var dx = device.empty(input.shape)
      if byPatches {
        ConvolutionByPatches().backward(
          device, outputGradient: gradient, input: device.convolutionInput(input), weight: weight, g,
          inputGradient: dx,
          weightGradient: dw, biasGradient: db)
      } else {
        dx = device.convolveBackward(
          gradient, input: device.convolutionInput(input), weight: weight, g, weightGradient: dw,
          biasGradient: db,
          needsInputGradient: true)!
      }
      #expect(abs(dot(dx, input) - product) < 1e-4 * max(1, abs(product)), "input, by patches \(byPatches)")
      #expect(abs(dot(dw, weight) - product) < 1e-4 * max(1, abs(product)), "weight, by patches \(byPatches)")
    }
  }
}

private func normals(_ device: Device, _ shape: [Int], _ index: UInt64) -> Tensor {
  var random = CounterRandom(seed: 3, purpose: .test, index: index)
  return device.tensor((0..<shape.reduce(1, *)).map { _ in Float(random.normal()) }, shape)
}

private func dot(_ a: Tensor, _ b: Tensor) -> Double {
  zip(a.toArray(), b.toArray()).reduce(0) { $0 + Double($1.0) * Double($1.1) }
}
