@testable import Autograd
import TensorCore
import Testing
import TestSupport

/// Batch normalisation against its formula in double.
@Suite struct BatchNormTests {
  let device = Device(threadCount: 2)

  /// Mean and variance (over n) of a channel.
  private func moments(_ x: [Float], channel: Int, of c: Int) -> (mean: Double, variance: Double) {
    let values = stride(from: channel, to: x.count, by: c).map { Double(x[$0]) }
    let mean = values.reduce(0, +) / Double(values.count)
    return (mean, values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count))
  }

  @Test(arguments: [[1, 1, 2, 1], [3, 5, 4, 7], [4, 1, 1, 3], [2, 40, 41, 2]]) func inTraining(shape: [Int]) {
    let (c, rows) = (shape[3], shape[0] * shape[1] * shape[2])
    let x = device.tensor(device.random(shape, 70).toArray().map { 3 * $0 + 20 }, shape)
    let (w, b) = (device.random([c], 71), device.random([c], 72))
    let (y, statistics) = Tape(device: device, isRecording: false).batchNorm(
      Variable(x), weight: Variable(w), bias: Variable(b), epsilon: 1e-5)
    let exact = x.toArray().enumerated().map { i, value in
      let (mean, variance) = moments(x.toArray(), channel: i % c, of: c)
      let scale = Double(w.toArray()[i % c]) / (variance + 1e-5).squareRoot()
      let shift = Double(b.toArray()[i % c])
      return ExactSum(
        (Double(value) - mean) * scale + shift,
        magnitude: (abs(Double(value)) + abs(mean)) * abs(scale) + abs(shift))
    }
    expectWithin(y.value.toArray(), exact, roundings: 80, "batch norm")
    for channel in 0..<c {
      let (mean, variance) = moments(x.toArray(), channel: channel, of: c)
      #expect(abs(Double(statistics.mean[channel]) - mean) < 1e-5 * abs(mean))
      let expected = variance * Double(rows) / Double(rows - 1)
      #expect(abs(Double(statistics.variance[channel]) - expected) < 1e-4 * expected + 1e-6)
    }
  }

  @Test(arguments: [[3, 5, 4, 7], [2, 3, 1, 1]]) func gradients(shape: [Int]) {
    let c = shape[3]
    checkGradients(
      device, of: [device.random(shape, 73), device.random([c], 74), device.random([c], 75)]
    ) {
      $0.batchNorm($1[0], weight: $1[1], bias: $1[2], epsilon: 1e-5).output
    }
  }

  @Test func byGivenStatistics() {
    let (x, w, b) = (device.random([2, 3, 2, 2], 76), device.random([2], 77), device.random([2], 78))
    let given = BatchStatistics(mean: [0.5, -1], variance: [2, 0.25])
    let y = Tape(device: device, isRecording: false).batchNorm(
      Variable(x), weight: Variable(w), bias: Variable(b), epsilon: 1e-5, by: given)
    for (i, value) in y.value.toArray().enumerated() {
      let c = i % 2
      let unit = (x.toArray()[i] - given.mean[c]) / (given.variance[c] + 1e-5).squareRoot()
      #expect(abs(value - (unit * w.toArray()[c] + b.toArray()[c])) < 1e-5)
    }
  }

  @Test func threadsDoNotChangeTheStatistics() {
    let x = device.random([3, 17, 31, 5], 79)
    func statistics(_ threads: Int) -> BatchStatistics {
      let device = Device(threadCount: threads)
      return Tape(device: device, isRecording: false).batchNorm(
        Variable(x), weight: Variable(device.full([5], 1)), bias: Variable(device.zeros([5])), epsilon: 1e-5
      ).statistics
    }
    #expect(statistics(1) == statistics(3))
  }
}
