@testable import Autograd
import TensorCore
import Testing
import TestSupport

/// The three normalisations.
@Suite struct NormTests {
  let device = Device(threadCount: 2)

  @Test(arguments: [(1, 1), (3, 16), (7, 33)]) func rmsNorm(rows: Int, c: Int) {
    let (x, w) = (device.random([rows, c], 20, deviation: 2), device.random([c], 21))
    let y = Tape(device: device, isRecording: false).rmsNorm(Variable(x), weight: Variable(w), epsilon: 1e-5)
    let (values, weights) = (x.toArray().map(Double.init), w.toArray().map(Double.init))
    let exact = values.indices.map { i in
      let row = values[i / c * c..<(i / c + 1) * c]
      return ExactSum(
        values[i] * weights[i % c] / (row.reduce(0) { $0 + $1 * $1 } / Double(c) + 1e-5).squareRoot())
    }
    expectWithin(y.value.toArray(), exact, roundings: Double(c) / 2 + 12, "rms norm")
    if c > 1 { checkGradients(device, of: [x, w]) { $0.rmsNorm($1[0], weight: $1[1], epsilon: 1e-5) } }
  }

  @Test(arguments: [1, 5], [1, 2, 33]) func l2Normalize(rows: Int, c: Int) {
    let x = device.random([rows, c], 22, deviation: 2)
    let y = Tape(device: device, isRecording: false).l2Normalize(Variable(x))
    let values = x.toArray().map(Double.init)
    let exact = values.indices.map { i in
      ExactSum(values[i] / values[i / c * c..<(i / c + 1) * c].reduce(0) { $0 + $1 * $1 }.squareRoot())
    }
    expectWithin(y.value.toArray(), exact, roundings: Double(c) / 2 + 6, "l2 normalize")
    if c > 2 { checkGradients(device, of: [x]) { $0.l2Normalize($1[0]) } }
  }

  struct GroupCase: Sendable {
    var shape: [Int]
    var groups: Int
    var silu: Bool
    var mean: Double
  }

  static let groupCases = [false, true].flatMap { silu in
    [0, 100].flatMap { mean in
      [([1, 1, 1, 4], 2), ([2, 3, 5, 6], 3), ([2, 4, 4, 8], 8), ([1, 5, 5, 70], 1), ([2, 40, 40, 4], 2)].map {
        GroupCase(shape: $0.0, groups: $0.1, silu: silu, mean: mean)
      }
    }
  }

  @Test(arguments: groupCases) func groupNorm(_ c: GroupCase) {
    let channels = c.shape[3]
    let size = c.shape.reduce(1, *)
    let x = device.tensor(normals(size, 23, deviation: 2, mean: c.mean), c.shape)
    let (w, b) = (device.random([channels], 24), device.random([channels], 25))
    let y = Tape(device: device, isRecording: false).groupNorm(
      Variable(x), weight: Variable(w), bias: Variable(b), groups: c.groups, epsilon: 1e-6, silu: c.silu)
    let exact = exactGroupNorm(x.toArray(), w.toArray(), b.toArray(), c)
    expectWithin(y.value.toArray(), exact, roundings: 80, "group norm")
    // One pixel to a group makes the output constant, and large means leave differences no digits.
    guard size / c.shape[0] / c.groups > 4, c.mean == 0 else { return }
    checkGradients(device, of: [x, w, b]) {
      $0.groupNorm($1[0], weight: $1[1], bias: $1[2], groups: c.groups, epsilon: 1e-6, silu: c.silu)
    }
  }

  /// Errors are measured by the terms of x scale + shift, which cancel where the mean is large.
  func exactGroupNorm(_ x: [Float], _ w: [Float], _ b: [Float], _ c: GroupCase) -> [ExactSum] {
    let (channels, batch) = (c.shape[3], c.shape[0])
    let (image, width) = (x.count / batch, channels / c.groups)
    var statistics: [(mean: Double, inverse: Double)] = []
    for unit in 0..<batch * c.groups {
      let members = (0..<image).filter { $0 % channels / width == unit % c.groups }
        .map { Double(x[unit / c.groups * image + $0]) }
      let mean = members.reduce(0, +) / Double(members.count)
      let variance = members.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(members.count)
      statistics.append((mean, 1 / (variance + 1e-6).squareRoot()))
    }
    return x.indices.map { i in
      let channel = i % channels
      let (mean, inverse) = statistics[i / image * c.groups + channel / width]
      let scale = inverse * Double(w[channel])
      let u = (Double(x[i]) - mean) * scale + Double(b[channel])
      let magnitude = abs(Double(x[i]) * scale) + abs(mean * scale) + abs(Double(b[channel]))
      return ExactSum(c.silu ? silu(u) : u, magnitude: magnitude)
    }
  }

  @Test func groupNormGradientSurvivesALargeMean() throws {
    // Adding a constant to the input changes neither the output nor the gradients.
    let c = GroupCase(shape: [2, 6, 6, 8], groups: 2, silu: true, mean: 0)
    let base = normals(576, 26, deviation: 2)
    func gradients(mean: Float) throws -> [[Float]] {
      let tape = Tape(device: device)
      let variables = [
        Variable(
          device.tensor(base.map { ($0 * 64).rounded() / 64 + mean }, c.shape), requiresGradient: true),
        Variable(device.random([8], 27), requiresGradient: true),
        Variable(device.random([8], 28), requiresGradient: true),
      ]
      let y = tape.groupNorm(
        variables[0], weight: variables[1], bias: variables[2], groups: 2, epsilon: 1e-6, silu: true)
      tape.backward(from: tape.dot(y, device.random(c.shape, 29)))
      return try variables.map { try #require($0.gradient).toArray() }
    }
    // A mean of 50 deviations costs 50 roundings in x scale + shift, and again in the sums.
    for (near, far) in zip(try gradients(mean: 0), try gradients(mean: 100)) {
      expectClose(far, near, relativeToNorm: 50 * 4 * unitRoundoff * 4, "gradient at mean 100")
    }
  }
}
