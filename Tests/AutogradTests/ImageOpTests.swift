@testable import Autograd
import TensorCore
import Testing
import TestSupport

/// Ops on images; the convolution's own loops are tested with the device.
@Suite struct ImageOpTests {
  let device = Device(threadCount: 2)

  @Test(arguments: [(1, 1, 0, 0), (3, 1, 1, 1), (3, 2, 0, 1)], [1, 2, 3])
  func convolution(window: (kernel: Int, stride: Int, before: Int, after: Int), batch: Int) {
    let g = ConvolutionGeometry(
      inChannels: 3, outChannels: 5, kernel: window.kernel, stride: window.stride, padBefore: window.before,
      padAfter: window.after)
    let x = device.random([batch, 5, 6, 3], 50)
    let (w, b) = (device.random([5, 3, window.kernel, window.kernel], 51), device.random([5], 52))
    let y = Tape(device: device, isRecording: false).convolution(
      Variable(x), weight: Variable(w), bias: Variable(b), g)
    #expect(y.value.toArray() == device.convolve(x, weight: w, bias: b, g).toArray())
    checkGradients(device, of: [x, w, b]) { $0.convolution($1[0], weight: $1[1], bias: $1[2], g) }
  }

  @Test func aFrozenConvolutionPassesGradientsOn() {
    let g = ConvolutionGeometry(inChannels: 3, outChannels: 2, kernel: 3)
    let (w, b) = (Variable(device.random([2, 3, 3, 3], 53)), Variable(device.random([2], 54)))
    checkGradients(device, of: [device.random([1, 4, 4, 3], 55)]) {
      $0.convolution($1[0], weight: w, bias: b, g)
    }
    #expect(w.gradient == nil && b.gradient == nil)
  }

  @Test(arguments: [[1, 1, 1, 1], [2, 3, 5, 7]]) func upsampleTwice(shape: [Int]) {
    let x = device.random(shape, 56)
    let y = Tape(device: device, isRecording: false).upsampleTwice(Variable(x))
    let (h, w, c) = (shape[1], shape[2], shape[3])
    #expect(y.shape == [shape[0], 2 * h, 2 * w, c])
    let values = x.toArray()
    let expected = (0..<y.value.count).map { i in
      let (pixel, channel) = (i / c, i % c)
      let (b, row, column) = (pixel / (4 * h * w), pixel / (2 * w) % (2 * h), pixel % (2 * w))
      return values[((b * h + row / 2) * w + column / 2) * c + channel]
    }
    #expect(y.value.toArray() == expected)
    checkGradients(device, of: [x]) { $0.upsampleTwice($1[0]) }
  }
}
