@testable import Autograd
import IAR
import TensorCore
import Testing
import TestSupport

/// The number of threads changes the order of some sums, and nothing else.
@Suite struct ThreadCountTests {
  /// Outputs and gradients of a little of everything.
  func results(threads: Int) throws -> [(String, [Float])] {
    let device = Device(threadCount: threads)
    func parameter(_ shape: [Int], _ index: UInt64) -> Variable {
      Variable(device.random(shape, index), requiresGradient: true)
    }
    let tape = Tape(device: device)
    let image = parameter([3, 6, 7, 8], 100)
    let (kernel, kernelBias) = (parameter([16, 8, 3, 3], 101), parameter([16], 102))
    let (norm, normBias) = (parameter([16], 103), parameter([16], 104))
    let (qkv, bias, out) = (parameter([48, 16], 105), parameter([48], 106), parameter([20, 16], 107))
    let convolved = tape.convolution(
      image, weight: kernel, bias: kernelBias,
      ConvolutionGeometry(inChannels: 8, outChannels: 16, kernel: 3))
    let normed = tape.groupNorm(
      convolved, weight: norm, bias: normBias, groups: 4, epsilon: 1e-6, silu: true)
    let rows = tape.reshape(normed, [3, 42, 16])
    let attended = tape.attention(
      qkv: tape.linear(rows, weight: qkv, bias: bias), heads: 2, rotation: nil, mask: .causal)
    let scaled = tape.rmsNorm(tape.add(rows, attended), weight: norm, epsilon: 1e-5)
    let loss = tape.linearCrossEntropy(
      scaled, weight: out, targets: (0..<126).map { $0 % 20 }, ClusterLoss(clusterSize: 5)
    ).loss
    tape.backward(from: loss)
    let named = [
      "image": image, "kernel": kernel, "kernel bias": kernelBias, "norm": norm, "norm bias": normBias,
      "qkv": qkv, "bias": bias, "out": out,
    ]
    let gradients = try named.sorted { $0.key < $1.key }.map {
      ($0.key, try #require($0.value.gradient).toArray())
    }
    return [("loss", loss.value.toArray()), ("hidden", scaled.value.toArray())] + gradients
  }

  @Test func oneTwoAndThreeThreadsAgreeWithinRounding() throws {
    let one = try results(threads: 1)
    for threads in 2...3 {
      for ((name, a), (_, b)) in zip(try results(threads: threads), one) {
        // Sums over 126 rows and 72 weights, some through three layers: a hundred roundings each.
        expectClose(a, b, relativeToNorm: 300 * unitRoundoff, "\(name) on \(threads) threads")
      }
    }
  }

  @Test func theSameThreadsGiveTheSameBytes() throws {
    let first = try results(threads: 2)
    for _ in 0..<3 {
      for ((name, a), (_, b)) in zip(try results(threads: 2), first) { #expect(a == b, "\(name)") }
    }
  }
}
