@testable import Autograd
import TensorCore
import Testing
import TestSupport

/// How gradients travel: sums, shared variables, cuts, and what a tape keeps.
@Suite struct GraphTests {
  let device = Device(threadCount: 2)

  @Test func addition() {
    let (a, b) = (device.random([3, 5], 60), device.random([3, 5], 61))
    let y = Tape(device: device, isRecording: false).add(Variable(a), Variable(b))
    #expect(y.value.toArray() == zip(a.toArray(), b.toArray()).map { $0 + $1 })
    checkGradients(device, of: [a, b]) { $0.add($1[0], $1[1]) }
  }

  @Test func oneVariableOnBothSidesOfASum() {
    checkGradients(device, of: [device.random([3, 5], 62)]) { $0.add($1[0], $1[0]) }
  }

  /// The two sides of a sum receive one gradient tensor: ops that write in place must not change the other's.
  @Test func aSharedGradientIsNotWrittenInto() {
    let square = [device.random([4, 4], 63), device.random([4, 4], 64), device.random([3, 4], 65)]
    checkGradients(device, of: square) { tape, v in
      let product = tape.linear(v[2], weight: v[0])
      return tape.linear(product, weight: tape.add(v[0], v[1]))
    }
    checkGradients(device, of: Array(square[..<2])) { tape, v in
      let rows = tape.embedding([0, 2, 2, 3], table: v[0])
      return tape.add(rows, tape.add(v[0], v[1]))
    }
    let vectors = [device.random([4], 66), device.random([4], 67), device.random([3, 4], 68)]
    checkGradients(device, of: vectors) { tape, v in
      let normed = tape.rmsNorm(v[2], weight: v[0], epsilon: 1e-5)
      return tape.rmsNorm(normed, weight: tape.add(v[0], v[1]), epsilon: 1e-5)
    }
  }

  @Test func gradientsOfAUsedTwiceVariableAddUp() {
    checkGradients(device, of: [device.random([4, 4], 69)]) { tape, v in
      tape.linear(tape.add(v[0], tape.reshape(v[0], [4, 4])), weight: v[0])
    }
  }

  @Test func weightedSumOfScalars() {
    let terms = [device.random([], 70), device.random([1], 71)]
    let tape = Tape(device: device, isRecording: false)
    let sum = tape.weightedSum([(Variable(terms[0]), 2), (Variable(terms[1]), -0.5)])
    #expect(abs(sum.value.scalar - (2 * terms[0].scalar - 0.5 * terms[1].scalar)) < 1e-6)
    checkGradients(device, of: terms) { $0.weightedSum([($1[0], 2), ($1[1], -0.5), ($1[0], 1)]) }
  }

  @Test func straightThroughHasOneValueAndTheOthersGradient() throws {
    let value = Variable(device.random([2, 3], 72), requiresGradient: true)
    let source = Variable(device.random([6], 73), requiresGradient: true)
    let tape = Tape(device: device)
    let y = tape.straightThrough(value: value, gradientTo: source)
    #expect(y.value.toArray() == value.value.toArray() && y.shape == [2, 3])
    let weights = device.random([2, 3], 74)
    tape.backward(from: tape.dot(y, weights))
    #expect(try #require(source.gradient).toArray() == weights.toArray())
    #expect(source.gradient?.shape == [6] && value.gradient == nil)
  }

  @Test func reshapeAndDot() {
    let x = device.random([2, 6], 75)
    let tape = Tape(device: device, isRecording: false)
    #expect(tape.reshape(Variable(x), [3, 4]).value.toArray() == x.toArray())
    checkGradients(device, of: [x]) { $0.reshape($1[0], [3, 4]) }
    let c = device.random([12], 76)
    var exact = ExactSum()
    for (a, b) in zip(x.toArray(), c.toArray()) { exact.add(Double(a) * Double(b)) }
    expectWithin(Double(tape.dot(Variable(x), c).value.scalar), exact, roundings: 14, "dot")
    checkGradients(device, of: [x]) { $0.dot($1[0], c) }
  }

  @Test func backwardScalesWithItsStart() throws {
    func gradient(_ scale: Float) throws -> [Float] {
      let x = Variable(device.random([3, 4], 77), requiresGradient: true)
      let tape = Tape(device: device)
      tape.backward(from: tape.crossEntropy(x, targets: [0, 1, 2]).loss, scale: scale)
      return try #require(x.gradient).toArray()
    }
    #expect(try gradient(0.25) == gradient(1).map { $0 * 0.25 })
  }

  @Test func gradientsOfSeveralTapesAddUp() throws {
    let x = Variable(device.random([4], 78), requiresGradient: true)
    for _ in 0..<2 {
      let tape = Tape(device: device)
      tape.backward(from: tape.dot(x, device.full([4], 1.5)))
    }
    #expect(try #require(x.gradient).toArray() == [3, 3, 3, 3])
    x.clearGradient()
    #expect(x.gradient == nil)
  }

  @Test func evaluationKeepsNoGraph() {
    let x = Variable(device.random([64, 64], 79), requiresGradient: true)
    let tape = Tape(device: device, isRecording: false)
    func layers() -> Variable { (0..<10).reduce(x) { y, _ in tape.linear(y, weight: x) } }
    #expect(!layers().requiresGradient)
    let held = device.memory.bytesHeld
    for _ in 0..<10 { _ = layers() }
    #expect(device.memory.bytesHeld == held)
    tape.backward(from: tape.dot(layers(), device.full([64, 64], 1)))
    #expect(x.gradient == nil)
  }

  @Test func aTapeIsFreedWithAndWithoutItsBackwardPass() {
    for backward in [false, true] {
      weak var freed: Tape?
      weak var intermediate: Variable?
      do {
        let x = Variable(device.random([4, 4], 80), requiresGradient: true)
        let tape = Tape(device: device)
        freed = tape
        let y = tape.linear(x, weight: x)
        intermediate = y
        let loss = tape.dot(y, device.full([4, 4], 1))
        if backward { tape.backward(from: loss) }
      }
      #expect(freed == nil && intermediate == nil, "backward \(backward)")
    }
  }

  /// The same of operations that have loops of their own in bfloat16.
  @Test func aTapeInBFloat16IsFreed() {
    let device = Device(threadCount: 2, precision: .bfloat16)
    weak var freed: Tape?
    do {
      let x = Variable(device.random([2, 64, 3 * 64], 81), requiresGradient: true)
      let (wide, narrow) = (Variable(device.random([192, 64], 82)), Variable(device.random([64, 192], 83)))
      let tape = Tape(device: device)
      freed = tape
      let attended = tape.attention(qkv: x, heads: 1, rotation: nil, mask: .causal)
      let y = tape.feedForward(attended, gate: wide, up: wide, down: narrow)
      #expect(y.requiresGradient)
    }
    #expect(freed == nil)
  }

  /// Who watches is told of each variable once: when the first step that used it has run backward.
  @Test func gradientsAreToldWhenTheyAreComplete() throws {
    let (first, both, unused, last) = (parameter(), parameter(), parameter(), parameter())
    let tape = Tape(device: device)
    let x = tape.add(tape.add(first, both), last)
    let loss = tape.dot(tape.add(x, both), device.tensor([1, 2], [2]))
    let variables = [first, both, unused, last]
    var told: [Int] = []
    tape.backward(from: loss, watch: GradientWatch(variables) { told.append($0) })
    #expect(told == [2, 3, 0, 1])
    #expect(first.gradient?.toArray() == [1, 2] && both.gradient?.toArray() == [2, 4])
    #expect(unused.gradient == nil)
  }

  /// The two sides of a sum get one gradient. Who is told of the first may change it while the pass still needs the other.
  @Test func aGradientThatIsToldHasMemoryOfItsOwn() {
    let (early, late) = (parameter(), parameter())
    let tape = Tape(device: device)
    let square = tape.silu(early)
    let loss = tape.dot(tape.add(square, late), device.tensor([1, 2], [2]))
    tape.backward(
      from: loss,
      watch: GradientWatch([late]) { _ in late.gradient?.buffer.update(repeating: 1000) })
    let own = early.gradient?.toArray()
    let alone = Tape(device: device)
    early.clearGradient()
    alone.backward(from: alone.dot(alone.silu(early), device.tensor([1, 2], [2])))
    #expect(own == early.gradient?.toArray())
  }

  private func parameter() -> Variable {
    Variable(device.tensor([0.5, -1], [2]), requiresGradient: true)
  }
}
