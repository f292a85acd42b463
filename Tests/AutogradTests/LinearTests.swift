@testable import Autograd
import TensorCore
import Testing
import TestSupport

/// Matrix products, tables and sequences.
@Suite struct LinearTests {
  let device = Device(threadCount: 2)

  /// x [rows, k] weight[n, k]^T, each element with its magnitude.
  static func product(_ x: [Float], _ weight: [Float], rows: Int, n: Int, k: Int) -> [ExactSum] {
    (0..<rows * n).map { place in
      var sum = ExactSum()
      for i in 0..<k { sum.add(Double(x[place / n * k + i]) * Double(weight[place % n * k + i])) }
      return sum
    }
  }

  @Test(arguments: [(1, 1, 1), (3, 17, 5), (40, 33, 20)], [false, true])
  func linear(size: (rows: Int, n: Int, k: Int), biased: Bool) {
    let (rows, n, k) = size
    let (x, w, b) = (device.random([rows, k], 1), device.random([n, k], 2), device.random([n], 3))
    let tape = Tape(device: device, isRecording: false)
    let y = tape.linear(Variable(x), weight: Variable(w), bias: biased ? Variable(b) : nil)
    var exact = Self.product(x.toArray(), w.toArray(), rows: rows, n: n, k: k)
    if biased { for i in exact.indices { exact[i].add(Double(b.toArray()[i % n])) } }
    #expect(y.shape == [rows, n])
    expectWithin(y.value.toArray(), exact, roundings: Double(k) + 2, "linear")
    checkGradients(device, of: biased ? [x, w, b] : [x, w]) { tape, v in
      tape.linear(v[0], weight: v[1], bias: biased ? v[2] : nil)
    }
  }

  @Test func linearKeepsLeadingDimensions() {
    let tape = Tape(device: device, isRecording: false)
    let y = tape.linear(Variable(device.random([2, 3, 4], 4)), weight: Variable(device.random([5, 4], 5)))
    #expect(y.shape == [2, 3, 5])
  }

  @Test func linearOfNoRowsHasZeroGradients() throws {
    let tape = Tape(device: device)
    let w = Variable(device.random([3, 4], 6), requiresGradient: true)
    let b = Variable(device.random([3], 7), requiresGradient: true)
    let y = tape.linear(Variable(device.empty([0, 4])), weight: w, bias: b)
    #expect(y.shape == [0, 3])
    tape.backward(from: tape.dot(y, device.empty([0, 3])))
    #expect(try #require(w.gradient).toArray() == [Float](repeating: 0, count: 12))
    #expect(try #require(b.gradient).toArray() == [0, 0, 0])
  }

  @Test(arguments: [(1, 1, 1), (5, 7, 3), (20, 33, 17)]) func swiGLU(rows: Int, h: Int, c: Int) {
    let (x, gate, up) = (device.random([rows, c], 8), device.random([h, c], 9), device.random([h, c], 10))
    let tape = Tape(device: device, isRecording: false)
    let y = tape.swiGLU(Variable(x), gate: Variable(gate), up: Variable(up))
    let g = Self.product(x.toArray(), gate.toArray(), rows: rows, n: h, k: c)
    let u = Self.product(x.toArray(), up.toArray(), rows: rows, n: h, k: c)
    let exact = zip(g, u).map {
      ExactSum(silu($0.value) * $1.value, magnitude: (1 + $0.magnitude) * $1.magnitude)
    }
    expectWithin(y.value.toArray(), exact, roundings: 2 * Double(c) + 12, "gated linear")
    checkGradients(device, of: [x, gate, up]) { $0.swiGLU($1[0], gate: $1[1], up: $1[2]) }
    let down = device.random([c, h], 12)
    let whole = tape.feedForward(Variable(x), gate: Variable(gate), up: Variable(up), down: Variable(down))
    #expect(whole.value.toArray() == tape.linear(y, weight: Variable(down)).value.toArray())
    checkGradients(device, of: [x, gate, up, down]) {
      $0.feedForward($1[0], gate: $1[1], up: $1[2], down: $1[3])
    }
  }

  @Test func embeddingAddsUpRepeatedIndices() throws {
    let indices = [3, 0, 3, 3, 6, 0]
    let table = device.random([7, 19], 11)
    let tape = Tape(device: device)
    let variable = Variable(table, requiresGradient: true)
    let y = tape.embedding(indices, table: variable)
    let rows = table.toArray()
    #expect(y.value.toArray() == indices.flatMap { rows[$0 * 19..<($0 + 1) * 19] })
    let weights = device.random([6, 19], 12)
    tape.backward(from: tape.dot(y, weights))
    var exact = [ExactSum](repeating: ExactSum(), count: 7 * 19)
    for (i, index) in indices.enumerated() {
      for c in 0..<19 { exact[index * 19 + c].add(Double(weights.toArray()[i * 19 + c])) }
    }
    expectWithin(try #require(variable.gradient).toArray(), exact, roundings: 3, "table gradient")
    checkGradients(device, of: [table]) { $0.embedding(indices, table: $1[0]) }
  }

  @Test(arguments: [1, 3]) func prependPutsARowBeforeEachSequence(n: Int) {
    let (first, rest) = (device.random([2, 5], 13), device.random([2 * n, 5], 14))
    let tape = Tape(device: device, isRecording: false)
    let y = tape.prepend(Variable(first), to: Variable(rest))
    let (f, r) = (first.toArray(), rest.toArray())
    #expect(y.shape == [2, n + 1, 5])
    let expected: [Float] = Array([f[..<5], r[..<(5 * n)], f[5...], r[(5 * n)...]].joined())
    #expect(y.value.toArray() == expected)
    checkGradients(device, of: [first, rest]) { $0.prepend($1[0], to: $1[1]) }
  }

  @Test(arguments: [1, 7, 5000]) func siluIsItsFormula(n: Int) {
    let x = device.random([n], 60, deviation: 3)
    let y = Tape(device: device, isRecording: false).silu(Variable(x))
    let exact = x.toArray().map { ExactSum(silu(Double($0)), magnitude: abs(Double($0))) }
    expectWithin(y.value.toArray(), exact, roundings: 40, "silu")
    if n == 7 { checkGradients(device, of: [x]) { $0.silu($1[0]) } }
  }
}
