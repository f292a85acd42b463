@testable import Autograd
import TensorCore
import Testing
import TestSupport

@Suite struct DropoutTests {
  let device = Device(threadCount: 2)
  let random = CounterRandom(seed: 1, purpose: .dropout, index: 5)

  @Test(arguments: [Float(0.1), 0.5, 0.9]) func forwardAndBackwardUseOneMask(rate: Float) throws {
    let n = 100_003
    let x = Variable(device.full([n], 1), requiresGradient: true)
    let tape = Tape(device: device)
    let y = tape.dropout(x, rate: rate, random: random)
    tape.backward(from: tape.dot(y, device.full([n], 1)))
    let values = y.value.toArray()
    #expect(try #require(x.gradient).toArray() == values)
    let scale = 1 / (1 - rate)
    #expect(values.allSatisfy { $0 == 0 || $0 == scale })
    let kept = Double(values.filter { $0 != 0 }.count)
    let expected = Double(n) * Double(1 - rate)
    // Five standard deviations of a binomial count.
    #expect(abs(kept - expected) < 5 * (expected * Double(rate)).squareRoot())
  }

  @Test func masksDependOnTheStreamAlone() {
    func mask(_ device: Device, _ index: UInt64) -> [Float] {
      let stream = CounterRandom(seed: 1, purpose: .dropout, index: index)
      let tape = Tape(device: device, isRecording: false)
      return tape.dropout(Variable(device.full([20_001], 1)), rate: 0.5, random: stream).value.toArray()
    }
    let first = mask(device, 1)
    #expect(mask(Device(threadCount: 1), 1) == first && mask(Device(threadCount: 3), 1) == first)
    let other = mask(device, 2)
    let agreeing = zip(first, other).filter { $0 == $1 }.count
    #expect(abs(Double(agreeing) - 10_000) < 5 * 5000.0.squareRoot())
  }

  @Test func residual() {
    let (x, r) = (device.random([7, 9], 90), device.random([7, 9], 91))
    let tape = Tape(device: device, isRecording: false)
    let alone = tape.dropout(Variable(x), rate: 0.3, random: random).value.toArray()
    let sum = tape.dropout(Variable(x), rate: 0.3, random: random, addedTo: Variable(r)).value.toArray()
    expectClose(sum, zip(alone, r.toArray()).map { $0 + $1 }, relativeToLargest: 2 * unitRoundoff, "residual")
    checkGradients(device, of: [x, r]) { $0.dropout($1[0], rate: 0.3, random: random, addedTo: $1[1]) }
    checkGradients(device, of: [x]) { $0.dropout($1[0], rate: 0.3, random: random) }
  }

  @Test func ratesAtTheEdges() {
    let x = device.random([1000], 92)
    let tape = Tape(device: device, isRecording: false)
    for rate in [Float(0), .leastNonzeroMagnitude, 1e-20] {
      #expect(tape.dropout(Variable(x), rate: rate, random: random).value.toArray() == x.toArray())
    }
    let sum = tape.dropout(Variable(x), rate: 0, random: random, addedTo: Variable(x)).value.toArray()
    #expect(sum == x.toArray().map { $0 + $0 })
  }
}
