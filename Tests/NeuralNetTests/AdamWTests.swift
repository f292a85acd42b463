import Autograd
@testable import NeuralNet
import TensorCore
import Testing
import TestSupport

/// The optimiser against the published algorithm in double.
@Suite struct AdamWTests {
  let device = Device(threadCount: 2)

  /// Gives each parameter the gradient `values`.
  func backpropagate(_ store: ParameterStore, _ values: [[Float]]) {
    let tape = Tape(device: device)
    let terms = zip(store.parameters, values).map { parameter, gradient in
      (tape.dot(parameter.variable, device.tensor(gradient, parameter.variable.shape)), Float(1))
    }
    tape.backward(from: tape.weightedSum(terms))
  }

  @Test(arguments: [Float(0), 1]) func twentyStepsOfTheReference(clip: Float) {
    let store = ParameterStore(device: device, seed: 1)
    let shapes = [[7, 9], [33], [2, 3, 3, 3]]
    for (i, shape) in shapes.enumerated() { _ = store.declare("p\(i)", shape, .normal(deviation: 1)) }
    var options = Optimizer.Options()
    options.clip = clip
    let optimizer = Optimizer(store, options: options)
    let (beta1, beta2) = (Double(options.beta1), Double(options.beta2))
    var exact = store.parameters.map { $0.variable.value.toArray().map(Double.init) }
    var (m, v) = (exact.map { $0.map { _ in 0.0 } }, exact.map { $0.map { _ in 0.0 } })
    for step in 1...20 {
      // Small gradients now and then: those are not clipped.
      let deviation = step % 4 == 0 ? 0.01 : 1
      let gradients = exact.indices.map {
        normals(exact[$0].count, UInt64(100 * step + $0), deviation: deviation)
      }
      backpropagate(store, gradients)
      let exactNorm = gradients.joined().reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      let norm = optimizer.gradientNorm()
      #expect(abs(norm - exactNorm) <= 64 * unitRoundoff * exactNorm)
      let rate = 0.02 / Double(step)
      optimizer.step(learningRate: Float(rate), gradientNorm: norm)

      let scale = clip > 0 && exactNorm > Double(clip) ? Double(clip) / (exactNorm + 1e-6) : 1
      for p in exact.indices {
        let decay = shapes[p].count >= 2 ? Double(options.weightDecay) : 0
        for i in exact[p].indices {
          let g = Double(gradients[p][i]) * scale
          m[p][i] = beta1 * m[p][i] + (1 - beta1) * g
          v[p][i] = beta2 * v[p][i] + (1 - beta2) * g * g
          exact[p][i] *= 1 - rate * decay
          let corrected = (m[p][i] / (1 - power(beta1, step)), v[p][i] / (1 - power(beta2, step)))
          exact[p][i] -= rate * corrected.0 / (corrected.1.squareRoot() + Double(options.epsilon))
        }
      }
    }
    #expect(optimizer.stepCount == 20)
    for (parameter, expected) in zip(store.parameters, exact) {
      // 20 steps of about 10 roundings each on numbers of about 1.
      expectClose(
        parameter.variable.value.toArray(), expected.map { Float($0) }, relativeToNorm: 200 * unitRoundoff,
        parameter.name)
      #expect(parameter.variable.gradient == nil, "gradients are forgotten")
    }
  }

  func power(_ base: Double, _ exponent: Int) -> Double {
    (0..<exponent).reduce(1) { result, _ in result * base }
  }

  @Test func onlyMatricesDecay() {
    let store = ParameterStore(device: device, seed: 1)
    let (matrix, vector) = (store.declare("w", [3, 3], .ones), store.declare("b", [3], .ones))
    var options = Optimizer.Options()
    options.weightDecay = 0.5
    let optimizer = Optimizer(store, options: options)
    backpropagate(store, [[Float](repeating: 0, count: 9), [0, 0, 0]])
    optimizer.step(learningRate: 0.1, gradientNorm: 0)
    #expect(matrix.value.toArray().allSatisfy { abs($0 - 0.95) < 1e-6 })
    #expect(vector.value.toArray() == [1, 1, 1])
  }

  @Test func parametersWithoutAGradientStay() {
    let store = ParameterStore(device: device, seed: 1)
    let used = store.declare("used", [2, 2], .ones)
    let unused = store.declare("unused", [2, 2], .ones)
    let optimizer = Optimizer(store)
    let tape = Tape(device: device)
    tape.backward(from: tape.dot(used, device.full([2, 2], 1)))
    optimizer.step(learningRate: 0.1, gradientNorm: optimizer.gradientNorm())
    #expect(unused.value.toArray() == [1, 1, 1, 1] && used.value.toArray() != [1, 1, 1, 1])
  }

  @Test func aBadGradientShowsInTheNorm() {
    let store = ParameterStore(device: device, seed: 1)
    _ = store.declare("w", [2, 2], .ones)
    for bad in [Float.nan, .infinity] {
      backpropagate(store, [[1, bad, 2, 3]])
      #expect(!Optimizer(store).gradientNorm().isFinite)
      store.clearGradients()
    }
  }

  @Test func theNormDoesNotDependOnThreads() {
    let values = normals(100_001, 7)
    let norms = (1...3).map { threads in
      let device = Device(threadCount: threads)
      return device.sumOfSquares(device.tensor(values, [values.count]))
    }
    #expect(norms[0] == norms[1] && norms[1] == norms[2])
  }
}
