import Autograd
import StreamFormat
import TensorCore
import Testing
import TestSupport

/// Interpolation against PyTorch's own, run at every size that VAR's quantiser uses (`interpolation.safetensors`).
@Suite struct InterpolationTests {
  private let device = Device(threadCount: 2)

  /// The reference computes places in float32, which is 1e-6 off at the larger sizes.
  @Test func sizesOfTheReference() throws {
    let golden = try Fixture("interpolation.safetensors")
    var compared = 0
    for name in golden.names(withPrefix: "var.") where name.contains("_to_") && !name.hasSuffix(".grad") {
      let parts = name.split(separator: ".")
      let sizes = parts[1].split(separator: "_to_").compactMap { Int($0) }
      let input = sizes[0] == 16 ? "var.big" : "var.small.\(sizes[0])"
      let kind: Interpolation = parts[0].hasPrefix("area") ? .area : .bicubic
      let x = Variable(try golden.channelsLast(input, device), requiresGradient: true)
      let tape = Tape(device: device)
      let y = tape.interpolate(x, height: sizes[1], width: sizes[1], kind)
      expectClose(
        y.value.toArray(), try golden.channelsLast("var." + name, device).toArray(), relativeToLargest: 1e-5,
        name)
      guard golden.record["var.\(name).grad"] != nil else { continue }
      let weights = try golden.channelsLast(sizes[1] == 16 ? "var.big" : "var.small.\(sizes[1])", device)
      tape.backward(from: tape.dot(y, weights))
      expectClose(
        try #require(x.gradient).toArray(), try golden.channelsLast("var.\(name).grad", device).toArray(),
        relativeToLargest: 1e-5, name + ".grad")
      compared += 1
    }
    #expect(compared == 2)
  }

  @Test(arguments: [Interpolation.area, .bicubic, .bilinear], [(1, 1), (3, 7), (5, 2)])
  func gradients(kind: Interpolation, size: (Int, Int)) {
    checkGradients(device, of: [device.random([2, 4, 3, 5], 60)]) {
      $0.interpolate($1[0], height: size.0, width: size.1, kind)
    }
  }

  /// The sum of all weights of an output is 1.
  @Test(arguments: [Interpolation.area, .bicubic, .bilinear]) func aFlatImageStaysFlat(kind: Interpolation) {
    for (from, to) in [(1, 9), (7, 4), (4, 7), (13, 16), (16, 13)] {
      let x = Variable(device.full([1, from, from, 2], 0.75))
      let y = Tape(device: device, isRecording: false).interpolate(x, height: to, width: to, kind).value
      #expect(y.toArray().allSatisfy { abs($0 - 0.75) < 1e-6 }, "\(from) to \(to)")
    }
  }

  /// As PyTorch's `interpolate` with `align_corners` off.
  @Test func straightLines() {
    func scaled(_ row: [Float], to width: Int) -> [Float] {
      let x = Variable(device.tensor(row, [1, 1, row.count, 1]))
      return Tape(device: device, isRecording: false).interpolate(x, height: 1, width: width, .bilinear).value
        .toArray()
    }
    #expect(scaled([0, 4], to: 4) == [0, 1, 3, 4])
    #expect(scaled([0, 4, 2], to: 6) == [0, 1, 3, 3.5, 2.5, 2])
    #expect(scaled([0, 4, 2, 8], to: 2) == [2, 5])
  }

  @Test func combinations() {
    let (a, b) = (device.random([3, 5], 61), device.random([3, 5], 62))
    let y = Tape(device: device, isRecording: false).combination(0.25, Variable(a), -2, Variable(b)).value
    let expected = zip(a.toArray(), b.toArray()).map { 0.25 * $0 - 2 * $1 }
    expectClose(y.toArray(), expected, relativeToLargest: 1e-6, "combination")
    checkGradients(device, of: [a, b]) { $0.combination(0.25, $1[0], -2, $1[1]) }
  }
}
