@testable import Autograd
import Glibc
import IAR
import TensorCore
import Testing
import TestSupport

/// The operations that models which predict scale by scale need, against their formulas in double.
@Suite struct ScaleOperationTests {
  private let device = Device(threadCount: 2)

  @Test(arguments: [1, 17, 5000]) func gelu(count: Int) {
    let x = device.random([count], 70, deviation: 3)
    let y = Tape(device: device, isRecording: false).gelu(Variable(x)).value
    let exact = x.toArray().map { (value: Float) -> ExactSum in
      let v = Double(value)
      return ExactSum(
        v * (1 + tanh((2 / Double.pi).squareRoot() * (v + 0.044715 * v * v * v))) / 2, magnitude: abs(v))
    }
    expectWithin(y.toArray(), exact, roundings: 40, "gelu")
    checkGradients(device, of: [x]) { $0.gelu($1[0]) }
  }

  @Test(arguments: [(1, 1, 4), (2, 3, 7), (3, 5, 33)]) func adaptiveNorm(size: (b: Int, t: Int, c: Int)) {
    let (b, t, c) = size
    let x = device.tensor(normals(b * t * c, 71, deviation: 2, mean: 0.5), [b, t, c])
    let rows = device.random([b, 3 * c], 72)
    func apply(_ tape: Tape, _ x: Variable, _ rows: Variable) -> Variable {
      tape.adaptiveNorm(x, scale: Modulation(rows, at: c), shift: Modulation(rows, at: 2 * c), epsilon: 1e-6)
    }
    let y = apply(Tape(device: device, isRecording: false), Variable(x), Variable(rows)).value.toArray()
    let (values, numbers) = (x.toArray().map(Double.init), rows.toArray().map(Double.init))
    let expected = (0..<b * t).flatMap { row -> [Float] in
      let own = values[row * c..<(row + 1) * c]
      let mean = own.reduce(0, +) / Double(c)
      let variance = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(c)
      return own.enumerated().map { i, value in
        let place = row / t * 3 * c + i
        return Float(
          (value - mean) / (variance + 1e-6).squareRoot() * (1 + numbers[place + c]) + numbers[place + 2 * c])
      }
    }
    expectClose(y, expected, relativeToLargest: 1e-5, "adaptive norm")
    checkGradients(device, of: [x, rows]) { apply($0, $1[0], $1[1]) }
  }

  @Test(arguments: [nil, [0, 1.25]] as [[Float]?]) func addGated(factors: [Float]?) {
    let (x, update, rows) = (
      device.random([2, 3, 5], 73), device.random([2, 3, 5], 74), device.random([2, 11], 75)
    )
    func apply(_ tape: Tape, _ v: [Variable]) -> Variable {
      tape.addGated(v[1], to: v[0], gate: Modulation(v[2], at: 4), factors: factors)
    }
    let y = apply(Tape(device: device, isRecording: false), [x, update, rows].map { Variable($0) }).value
      .toArray()
    let (a, u, g) = (x.toArray(), update.toArray(), rows.toArray())
    let expected = a.indices.map { i in
      a[i] + (factors?[i / 15] ?? 1) * g[i / 15 * 11 + 4 + i % 5] * u[i]
    }
    expectClose(y, expected, relativeToLargest: 1e-6, "gated")
    checkGradients(device, of: [x, update, rows]) { apply($0, $1) }
  }

  /// The third head is above the ceiling of 100, where the gradient of its factor ends.
  @Test func normalizeQueriesAndKeys() throws {
    let (qkv, logScale) = (
      device.random([2, 3, 36], 76, deviation: 2), device.tensor([0.5, -1, 6], [1, 3, 1, 1])
    )
    let y = Tape(device: device, isRecording: false)
      .normalizeQueriesAndKeys(Variable(qkv), logScale: Variable(logScale)).value.toArray()
    let x = qkv.toArray()
    for row in 0..<6 {
      for head in 0..<6 {
        let place = row * 36 + head * 4
        let length = x[place..<place + 4].reduce(0) { $0 + $1 * $1 }.squareRoot()
        let factor = head < 3 ? min(exp(logScale.toArray()[head]), 100) : 1
        for i in place..<place + 4 {
          #expect(abs(y[i] - x[i] / length * factor) <= 1e-5 * factor, "row \(row), head \(head)")
        }
      }
      #expect(y[row * 36 + 24..<(row + 1) * 36] == x[row * 36 + 24..<(row + 1) * 36])
    }
    checkGradients(device, of: [qkv, device.tensor([0.5, -1, 0.3], [1, 3, 1, 1])]) {
      $0.normalizeQueriesAndKeys($1[0], logScale: $1[1])
    }
    let (variable, scales) = (Variable(qkv), Variable(logScale, requiresGradient: true))
    let tape = Tape(device: device)
    let out = tape.normalizeQueriesAndKeys(variable, logScale: scales)
    tape.backward(from: tape.dot(out, device.random(out.shape, 77)))
    let gradient = try #require(scales.gradient).toArray()
    #expect(gradient[0] != 0 && gradient[1] != 0 && gradient[2] == 0)
  }

  @Test func addRow() {
    let (x, row) = (device.random([2, 3, 5], 78), device.random([1, 5], 79))
    let y = Tape(device: device, isRecording: false).addRow(Variable(x), Variable(row)).value.toArray()
    #expect(y == zip(x.toArray(), (0..<30).map { row.toArray()[$0 % 5] }).map { $0 + $1 })
    checkGradients(device, of: [x, row]) { $0.addRow($1[0], $1[1]) }
  }

  /// Scores times a factor are queries times it.
  @Test(arguments: [Float(0.1), 1, 3]) func attentionWithAScale(scale: Float) {
    let qkv = device.random([2, 5, 24], 80)
    let scaled = device.copy(qkv)
    for row in 0..<10 { for i in 0..<8 { scaled.pointer[row * 24 + i] *= scale * Float(4).squareRoot() } }
    let tape = Tape(device: device, isRecording: false)
    let y = tape.attention(qkv: Variable(qkv), heads: 2, rotation: nil, mask: .causal, scale: scale).value
    let expected = tape.attention(qkv: Variable(scaled), heads: 2, rotation: nil, mask: .causal).value
    expectClose(y.toArray(), expected.toArray(), relativeToLargest: 1e-5, "attention")
    checkGradients(device, of: [qkv]) {
      $0.attention(qkv: $1[0], heads: 2, rotation: nil, mask: .causal, scale: scale)
    }
  }

  /// The last positions of attention over all of them.
  @Test(arguments: [(0, 1), (1, 4), (3, 2)]) func attentionToCachedPositions(size: (before: Int, new: Int)) {
    let (length, c) = (size.before + size.new, 8)
    let qkv = device.random([2, length, 3 * c], 81)
    let tape = Tape(device: device, isRecording: false)
    let whole = tape.attention(qkv: Variable(qkv), heads: 2, rotation: nil, mask: .full, scale: 0.7).value
      .toArray()
    let (keys, values) = (device.empty([2, length + 2, c]), device.empty([2, length + 2, c]))
    let queries = device.empty([2, size.new, 3 * c])
    for row in 0..<2 {
      for t in 0..<length {
        let source = qkv.pointer + (row * length + t) * 3 * c
        (keys.pointer + (row * (length + 2) + t) * c).update(from: source + c, count: c)
        (values.pointer + (row * (length + 2) + t) * c).update(from: source + 2 * c, count: c)
        guard t >= size.before else { continue }
        (queries.pointer + (row * size.new + t - size.before) * 3 * c).update(from: source, count: 3 * c)
      }
    }
    let y = device.attend(
      queries: queries, keys: keys, values: values, keyCount: length, heads: 2, scale: 0.7
    ).toArray()
    let expected = (0..<2).flatMap { (row: Int) -> ArraySlice<Float> in
      let (first, end) = ((row * length + size.before) * c, (row + 1) * length * c)
      return whole[first..<end]
    }
    expectClose(y, expected, relativeToLargest: 1e-5, "cached attention")
  }

  @Test func crossEntropyOfALayerWithABias() {
    let (hidden, weight, bias) = (
      device.random([150, 3], 82), device.random([24, 3], 83), device.random([24], 84)
    )
    let targets = (0..<150).map { $0 * 7 % 24 }
    let loss = ClusterLoss(labelSmoothing: 0.1, clusterSize: 4, clusterWeight: 0.5)
    let tape = Tape(device: device, isRecording: false)
    let fused = tape.linearCrossEntropy(
      Variable(hidden), weight: Variable(weight), bias: Variable(bias), targets: targets, loss)
    let logits = tape.linear(Variable(hidden), weight: Variable(weight), bias: Variable(bias))
    let plain = tape.crossEntropy(logits, targets: targets, loss)
    #expect(
      abs(fused.tokenLoss - plain.tokenLoss) < 1e-5 && abs(fused.additionalLoss - plain.additionalLoss) < 1e-5
    )
    checkGradients(device, of: [hidden, weight, bias]) {
      $0.linearCrossEntropy($1[0], weight: $1[1], bias: $1[2], targets: targets, loss).loss
    }
  }
}
