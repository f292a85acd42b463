import Autograd
@testable import NeuralNet
import TensorCore
import Testing
import TestSupport

/// Muon against its published algorithm in double, and what it is for.
@Suite struct MuonTests {
  let device = Device(threadCount: 2)

  static let shapes = [[6, 9], [9, 6], [5, 5], [12, 4], [1, 7], [8, 2, 3, 3]]

  static var options: Optimizer.Options {
    var options = Optimizer.Options()
    options.rule = .muon
    return options
  }

  /// A store with matrices of all shapes, of which the fourth consists of three, and a vector.
  func store(_ device: Device) -> ParameterStore {
    let store = ParameterStore(device: device, seed: 1)
    for (i, shape) in Self.shapes.enumerated() {
      _ = store.declare("w\(i)", shape, .normal(deviation: 1), hiddenMatrices: i == 3 ? 3 : 1)
    }
    _ = store.declare("bias", [11], .normal(deviation: 1))
    return store
  }

  func gradients(_ store: ParameterStore, step: Int) -> [[Float]] {
    store.parameters.indices.map {
      normals(store.parameters[$0].variable.value.count, UInt64(50 * step + $0))
    }
  }

  func backpropagate(_ store: ParameterStore, _ values: [[Float]], on device: Device) {
    let tape = Tape(device: device)
    let terms = zip(store.parameters, values).map { parameter, gradient in
      (tape.dot(parameter.variable, device.tensor(gradient, parameter.variable.shape)), Float(1))
    }
    tape.backward(from: tape.weightedSum(terms))
  }

  /// The parameters after some steps.
  func trained(_ device: Device, steps: Int, rate: Float) -> [[Float]] {
    let store = store(device)
    let optimizer = Optimizer(store, options: Self.options)
    for step in 1...steps {
      backpropagate(store, gradients(store, step: step), on: device)
      optimizer.step(learningRate: rate, gradientNorm: 0)
    }
    return store.parameters.map { $0.variable.value.toArray() }
  }

  @Test func eightStepsOfTheReference() {
    let (steps, rate) = (8, 0.05)
    let start = store(device)
    let found = trained(device, steps: steps, rate: Float(rate))
    for (place, parameter) in start.parameters.enumerated() where parameter.isHiddenMatrix {
      let (rows, columns) = parameter.matrixShape
      for matrix in 0..<parameter.hiddenMatrices {
        let range = matrix * rows * columns..<(matrix + 1) * rows * columns
        var exact = ExactMuon(rows: rows, columns: columns, parameter.variable.value.toArray()[range])
        for step in 1...steps {
          exact.step(
            gradients(start, step: step)[place][range], rate: rate, decay: Double(Self.options.weightDecay))
        }
        // Each of five rounds multiplies the error of a small singular value by up to 3.4, as it does the value.
        expectClose(
          Array(found[place][range]), exact.value.joined().map { Float($0) },
          relativeToNorm: 2000 * unitRoundoff,
          "\(parameter.name), matrix \(matrix)")
      }
    }
  }

  @Test func theBytesDoNotDependOnThreads() {
    let one = trained(Device(threadCount: 1), steps: 3, rate: 0.1)
    for threads in [2, 3, 8, 13] {
      #expect(trained(Device(threadCount: threads), steps: 3, rate: 0.1) == one)
    }
  }

  /// Vectors, embeddings and output layers go by AdamW, also beside matrices.
  @Test func allElseIsAdamWs() {
    func bias(_ options: Optimizer.Options) -> [Float] {
      let store = store(device)
      let optimizer = Optimizer(store, options: options)
      backpropagate(store, gradients(store, step: 1), on: device)
      optimizer.step(learningRate: 0.1, gradientNorm: 3)
      return store.parameters.last!.variable.value.toArray()
    }
    #expect(bias(Self.options) == bias(Optimizer.Options()))
  }

  /// Rounded operands change where between 0.7 and 1.2 a singular value ends, and nothing else.
  @Test(.enabled(if: Precision.bfloat16.isSupported)) func bfloat16IsNearFloat32() {
    let exact = trained(device, steps: 1, rate: 0.1)
    let found = trained(Device(threadCount: 2, precision: .bfloat16), steps: 1, rate: 0.1)
    let start = store(device).parameters.map { $0.variable.value.toArray() }
    for place in exact.indices.dropLast() {
      let steps = [found, exact].map { zip($0[place], start[place]).map { $0 - $1 } }
      #expect(steps[0] != steps[1])
      expectClose(steps[0], steps[1], relativeToNorm: 0.1, "matrix \(place)")
    }
    for threads in [1, 3, 13] {
      let other = Device(threadCount: threads, precision: .bfloat16)
      #expect(trained(other, steps: 1, rate: 0.1) == found)
    }
  }

  /// A matrix with singular values from 1 to 1/64 moves in all directions alike.
  @Test(arguments: [(4, 7), (7, 4)], [Precision.float32, .bfloat16])
  func allDirectionsAreLearnedAlike(size: (rows: Int, columns: Int), precision: Precision) {
    let (rows, columns) = size
    let device = Device(threadCount: 2, precision: precision)
    let store = ParameterStore(device: device, seed: 1)
    let weight = store.declare("w", [rows, columns], .zeros, hiddenMatrices: 1)
    var gradient = [Float](repeating: 0, count: rows * columns)
    for i in 0..<4 { gradient[i * columns + i] = 1 / Float(1 << (2 * i)) }
    backpropagate(store, [gradient], on: device)
    let optimizer = Optimizer(store, options: Self.options)
    optimizer.step(learningRate: 1, gradientNorm: 0)
    let scale = 0.2 * Float(7).squareRoot()
    for row in 0..<rows {
      for column in 0..<columns {
        let moved = -weight.value.pointer[row * columns + column] / scale
        #expect(row == column ? (0.6...1.25).contains(moved) : abs(moved) < 1e-5, "\(precision)")
      }
    }
    #expect(optimizer.moments[0].second.count == 0)
  }

  /// Clipping acts on what the average takes in: as if the gradient had been smaller.
  @Test func clippingReachesTheMatrices() {
    func moved(_ first: Float, norm: Double) -> [Float] {
      let store = ParameterStore(device: device, seed: 1)
      let weight = store.declare("w", [4, 6], .zeros, hiddenMatrices: 1)
      let optimizer = Optimizer(store, options: Self.options)
      for (step, scale) in [(1, first), (2, 1)] {
        let gradient = normals(24, UInt64(step)).map { $0 * scale }
        backpropagate(store, [gradient], on: device)
        optimizer.step(learningRate: 0.1, gradientNorm: step == 1 ? norm : 0)
      }
      return weight.value.toArray()
    }
    let (clipped, small, unclipped) = (moved(64, norm: 64), moved(1, norm: 0), moved(64, norm: 0))
    expectClose(clipped, small, relativeToNorm: 1e-4, "clipped to a 64th")
    #expect(zip(unclipped, small).contains { abs($0 - $1) > 1e-3 })
  }

  @Test func aGradientOfZerosIsNoStep() {
    let store = ParameterStore(device: device, seed: 1)
    let weight = store.declare("w", [3, 5], .ones, hiddenMatrices: 1)
    var options = Self.options
    options.weightDecay = 0
    backpropagate(store, [[Float](repeating: 0, count: 15)], on: device)
    Optimizer(store, options: options).step(learningRate: 1, gradientNorm: 0)
    #expect(weight.value.toArray() == [Float](repeating: 1, count: 15))
  }
}

/// A matrix, its averaged gradient, and Muon's step as published, in double.
private struct ExactMuon {
  var value: [[Double]]
  private var moment: [[Double]]
  private let scale: Double

  init(rows: Int, columns: Int, _ elements: ArraySlice<Float>) {
    value = Self.matrix(rows, elements)
    moment = value.map { $0.map { _ in 0 } }
    scale = 0.2 * Double(max(rows, columns)).squareRoot()
  }

  private static func matrix(_ rows: Int, _ elements: ArraySlice<Float>) -> [[Double]] {
    let columns = elements.count / rows
    return (0..<rows).map { row in
      (0..<columns).map { Double(elements[elements.startIndex + row * columns + $0]) }
    }
  }

  mutating func step(_ gradient: ArraySlice<Float>, rate: Double, decay: Double) {
    let g = Self.matrix(value.count, gradient)
    moment = combined(0.95, moment, 1, g)
    var x = combined(1, g, 0.95, moment)
    let isTall = x.count > x[0].count
    if isTall { x = transposed(x) }
    let norm = x.joined().reduce(0) { $0 + $1 * $1 }.squareRoot() + 1e-7
    x = combined(1 / norm, x, 0, x)
    for _ in 0..<5 {
      let gram = product(x, transposed(x))
      let polynomial = combined(-4.7750, gram, 2.0315, product(gram, gram))
      x = combined(3.4445, x, 1, product(polynomial, x))
    }
    value = combined(1 - rate * decay, value, -rate * scale, isTall ? transposed(x) : x)
  }

  private func combined(_ p: Double, _ a: [[Double]], _ q: Double, _ b: [[Double]]) -> [[Double]] {
    zip(a, b).map { zip($0, $1).map { p * $0 + q * $1 } }
  }

  private func product(_ a: [[Double]], _ b: [[Double]]) -> [[Double]] {
    let columns = transposed(b)
    return a.map { row in columns.map { zip(row, $0).reduce(0) { $0 + $1.0 * $1.1 } } }
  }

  private func transposed(_ a: [[Double]]) -> [[Double]] {
    a[0].indices.map { column in a.map { $0[column] } }
  }
}
