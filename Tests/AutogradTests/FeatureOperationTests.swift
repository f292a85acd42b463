@testable import Autograd
import Glibc
import TensorCore
import Testing
import TestSupport

/// Ops of networks that look at images: a trunk that is not trained, and a discriminator.
@Suite struct FeatureOperationTests {
  let device = Device(threadCount: 2)

  private var quiet: Tape { Tape(device: device, isRecording: false) }

  /// Values with gaps of 0.2, in a random order: a step of a gradient check changes no order and no sign.
  private func spread(_ shape: [Int], _ index: UInt64) -> Tensor {
    let count = shape.reduce(1, *)
    var random = CounterRandom(seed: 7, purpose: .test, index: index)
    return device.tensor(random.permutation(count).map { Float($0 - count / 2) * 0.2 + 0.1 }, shape)
  }

  @Test(arguments: [Float(0), 0.2]) func leakyReLU(slope: Float) {
    let x = spread([2, 3, 5], 80)
    let y = quiet.leakyReLU(Variable(x), slope: slope).value.toArray()
    #expect(y == x.toArray().map { $0 > 0 ? $0 : slope * $0 })
    checkGradients(device, of: [x]) { $0.leakyReLU($1[0], slope: slope) }
  }

  @Test func leakyReLUAtZero() {
    let (x, tape) = (Variable(device.zeros([2]), requiresGradient: true), Tape(device: device))
    tape.backward(from: tape.dot(tape.leakyReLU(x, slope: 0.25), device.full([2], 4)))
    #expect(x.gradient?.toArray() == [1, 1])
  }

  @Test(arguments: [(2, 2, 0, 0), (3, 2, 0, 0), (3, 1, 1, 1), (1, 1, 0, 0)], [[1, 3, 3, 1], [3, 6, 7, 3]])
  func maxPool(window: (kernel: Int, stride: Int, before: Int, after: Int), shape: [Int]) {
    let w = PoolingWindow(
      kernel: window.kernel, stride: window.stride, padBefore: window.before, padAfter: window.after)
    checkGradients(device, of: [spread(shape, 81)]) { $0.maxPool($1[0], w) }
  }

  /// Of equal values the first one gets the gradient, as in PyTorch; one that two windows choose gets both.
  @Test func maxPoolOfEqualAndSharedValues() {
    let x = Variable(device.tensor([1, 1, 0, 1, 1, 0, 0, 0, 5], [1, 3, 3, 1]), requiresGradient: true)
    let tape = Tape(device: device)
    let y = tape.maxPool(x, PoolingWindow(kernel: 2, stride: 1))
    #expect(y.value.toArray() == [1, 1, 1, 5])
    tape.backward(from: tape.dot(y, device.tensor([1, 2, 4, 8], [1, 2, 2, 1])))
    #expect(x.gradient?.toArray() == [1, 2, 0, 4, 0, 0, 0, 0, 8])
  }

  /// The kernels of a PatchGAN discriminator.
  @Test(arguments: [(2, [2, 8, 6, 3]), (1, [3, 5, 4, 2]), (2, [1, 7, 5, 1])]) func kernelsOfFour(
    stride: Int, shape: [Int]
  ) {
    let g = ConvolutionGeometry(
      inChannels: shape[3], outChannels: 4, kernel: 4, stride: stride, padBefore: 1, padAfter: 1)
    let inputs = [device.random(shape, 82), device.random(g.weightShape, 83), device.random([4], 84)]
    let y = quiet.convolution(
      Variable(inputs[0]), weight: Variable(inputs[1]), bias: Variable(inputs[2]), g)
    #expect(y.shape == [shape[0], (shape[1] - 2) / stride + 1, (shape[2] - 2) / stride + 1, 4])
    checkGradients(device, of: inputs) { $0.convolution($1[0], weight: $1[1], bias: $1[2], g) }
  }

  @Test(arguments: [ConvolutionWeights.Activation.none, .relu, .relu6]) func fixedConvolution(
    activation: ConvolutionWeights.Activation
  ) {
    let g = ConvolutionGeometry(inChannels: 2, outChannels: 3, kernel: 3)
    let (w, b) = (device.random(g.weightShape, 85), device.random([3], 86))
    let fixed = ConvolutionWeights(g, weight: w, bias: b, activation: activation)
    let x = device.random([2, 5, 4, 2], 87, deviation: 3)
    let plain = device.convolve(x, weight: w, bias: b, g).toArray()
    let (lower, upper): (Float, Float) =
      activation == .none ? (-.infinity, .infinity) : activation == .relu ? (0, .infinity) : (0, 6)
    expectClose(
      quiet.convolution(Variable(x), fixed).value.toArray(), plain.map { min(max($0, lower), upper) },
      relativeToLargest: 1e-5, "output")
    // The gradient is that of the convolution, where the output is not cut.
    let (tape, variable) = (Tape(device: device), Variable(x, requiresGradient: true))
    let dy = device.random([2, 5, 4, 3], 88)
    tape.backward(from: tape.dot(tape.convolution(variable, fixed), dy))
    let passed = zip(dy.toArray(), plain).map { $1 > lower && $1 < upper ? $0 : 0 }
    let expected = device.convolveBackward(
      device.tensor(passed, dy.shape), input: device.convolutionInput(x), weight: w, g, weightGradient: nil,
      biasGradient: nil, needsInputGradient: true)!
    expectClose(
      variable.gradient?.toArray() ?? [], expected.toArray(), relativeToNorm: 1e-5, "gradient")
  }

  @Test(arguments: [[3], [1, 4], [2, 1, 5]]) func joinChannels(widths: [Int]) {
    let parts = widths.enumerated().map { device.random([2, 3, $1], 89 + UInt64($0)) }
    let y = quiet.joinChannels(parts.map { Variable($0) })
    #expect(y.shape == [2, 3, widths.reduce(0, +)])
    var expected: [Float] = []
    for row in 0..<6 {
      for (part, width) in zip(parts, widths) {
        expected += part.toArray()[row * width..<(row + 1) * width]
      }
    }
    #expect(y.value.toArray() == expected)
    checkGradients(device, of: parts) { $0.joinChannels($1) }
  }

  @Test func channels() {
    let x = device.random([2, 3, 3], 92)
    let scale = ChannelScale(mean: [0.5, -1, 2], deviation: [2, 0.5, 4])
    let rows = (0..<6).map { Array(x.toArray()[3 * $0..<3 * $0 + 3]) }
    #expect(quiet.reverseChannels(Variable(x)).value.toArray() == rows.flatMap { $0.reversed() })
    let standard = rows.flatMap { [($0[0] - 0.5) / 2, ($0[1] + 1) / 0.5, ($0[2] - 2) / 4] }
    #expect(quiet.standardizeChannels(Variable(x), scale).value.toArray() == standard)
    checkGradients(device, of: [x]) { $0.reverseChannels($1[0]) }
    checkGradients(device, of: [x]) { $0.standardizeChannels($1[0], scale) }
  }

  @Test(arguments: [[1, 1, 1, 1], [3, 2, 5, 7]]) func unitVectorDistance(shape: [Int]) {
    let (x, y) = (device.random(shape, 93), device.random(shape, 94))
    let weights = device.random([shape[3]], 95).toArray().map(abs)
    let found = quiet.unitVectorDistance(Variable(x), Variable(y), weights: weights).value
    #expect(found.shape == [shape[0]])
    let (c, places) = (shape[3], shape[1] * shape[2])
    func unit(_ values: [Float], _ place: Int) -> [Double] {
      let row = values[place * c..<(place + 1) * c].map(Double.init)
      let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot() + 1e-10
      return row.map { $0 / length }
    }
    for image in 0..<shape[0] {
      var total = 0.0
      for place in image * places..<(image + 1) * places {
        let (u, v) = (unit(x.toArray(), place), unit(y.toArray(), place))
        for i in 0..<c {
          let difference = u[i] - v[i]
          total += Double(weights[i]) * difference * difference
        }
      }
      #expect(abs(Double(found.toArray()[image]) - total / Double(places)) < 1e-6)
    }
    guard c > 1 else { return }
    checkGradients(device, of: [x, y]) { $0.unitVectorDistance($1[0], $1[1], weights: weights) }
  }

  /// The length of a vector has no derivative at 0: neither NaN nor a huge number may come of it.
  @Test func deadPlacesGiveNoGradient() {
    let x = Variable(device.tensor([0, 0, 3, 4], [1, 1, 2, 2]), requiresGradient: true)
    let y = Variable(device.tensor([1, 2, 0, 0], [1, 1, 2, 2]), requiresGradient: true)
    let tape = Tape(device: device)
    let distance = tape.unitVectorDistance(x, y, weights: [1, 1])
    #expect(abs(distance.value.scalar - 1) < 1e-6)
    tape.backward(from: distance)
    let (dx, dy) = (x.gradient?.toArray() ?? [], y.gradient?.toArray() ?? [])
    #expect(dx.prefix(2) == [0, 0] && dy.suffix(2) == [0, 0])
    #expect((dx + dy).allSatisfy { abs($0) < 10 })
  }

  @Test func meansOfLogits() {
    let x = spread([2, 3, 3, 1], 96)
    let values = x.toArray().map(Double.init)
    func mean(_ function: (Double) -> Double) -> Double { values.map(function).reduce(0, +) / 18 }
    let variable = Variable(x)
    let exact: [(Variable, Double)] = [
      (quiet.mean(variable), mean { $0 }), (quiet.meanHinge(variable, sign: 1), mean { max(0, 1 - $0) }),
      (quiet.meanHinge(variable, sign: -1), mean { max(0, 1 + $0) }),
      (quiet.meanSoftplus(variable, sign: 1), mean { log(1 + exp($0)) }),
      (quiet.meanSoftplus(variable, sign: -1), mean { log(1 + exp(-$0)) }),
    ]
    for (found, expected) in exact { #expect(abs(Double(found.value.scalar) - expected) < 1e-6) }
    checkGradients(device, of: [x]) { $0.mean($1[0]) }
    for sign in [Float(1), -1] {
      // The spread has no value within a step of 1 or -1, but for one that the shift moves away.
      checkGradients(device, of: [x], step: 5e-3) { $0.meanHinge($1[0], sign: sign) }
      checkGradients(device, of: [x]) { $0.meanSoftplus($1[0], sign: sign) }
    }
  }

  @Test func softplusOfLargeLogits() {
    let x = Variable(device.tensor([300, -300], [2]), requiresGradient: true)
    let tape = Tape(device: device)
    let y = tape.meanSoftplus(x, sign: 1)
    #expect(y.value.scalar == 150)
    tape.backward(from: y)
    #expect(x.gradient?.toArray() == [0.5, 0])
  }
}
