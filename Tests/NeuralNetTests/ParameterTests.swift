@testable import NeuralNet
import TensorCore
import Testing
import TestSupport

/// How parameters start, and how their averages run.
@Suite struct ParameterTests {
  let device = Device(threadCount: 2)

  func moments(_ x: [Float]) -> (mean: Double, variance: Double) {
    let mean = x.reduce(0) { $0 + Double($1) } / Double(x.count)
    return (mean, x.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(x.count))
  }

  @Test func initializersHaveTheirMoments() {
    let store = ParameterStore(device: device, seed: 3)
    let n = 40_000
    let normal = moments(store.declare("n", [n], .normal(deviation: 0.02)).value.toArray())
    let bounded = store.declare("u", [n], .fanIn(25)).value.toArray()
    let uniform = moments(bounded)
    let five = 5 / Double(n).squareRoot()
    // Five standard deviations of a mean and of a variance.
    #expect(abs(normal.mean) < five * 0.02 && abs(normal.variance / 4e-4 - 1) < five * 1.42)
    #expect(bounded.allSatisfy { abs($0) <= 0.2 })
    #expect(abs(uniform.mean) < five * 0.1155 && abs(uniform.variance / (0.04 / 3) - 1) < five * 0.9)
    #expect(store.declare("0", [3], .zeros).value.toArray() == [0, 0, 0])
    #expect(store.declare("1", [3], .ones).value.toArray() == [1, 1, 1])
    #expect(store.scalarCount == 2 * n + 6)
  }

  @Test func startsDependOnSeedAndPlaceAlone() {
    func values(seed: UInt64, threads: Int = 1) -> [[Float]] {
      let store = ParameterStore(device: Device(threadCount: threads), seed: seed)
      for i in 0..<3 { _ = store.declare("p\(i)", [50], .normal(deviation: 1)) }
      return store.parameters.map { $0.variable.value.toArray() }
    }
    let first = values(seed: 1)
    #expect(values(seed: 1, threads: 3) == first)
    #expect(Set(first[0]).isDisjoint(with: first[1]) && Set(first[1]).isDisjoint(with: first[2]))
    #expect(Set(values(seed: 2)[0]).isDisjoint(with: first[0]))
    // A parameter of another size before it shifts nothing.
    let store = ParameterStore(device: device, seed: 1)
    _ = store.declare("other", [999], .normal(deviation: 1))
    #expect(store.declare("p1", [50], .normal(deviation: 1)).value.toArray() == first[1])
  }

  @Test func onlyMatricesAndKernelsDecay() {
    let store = ParameterStore(device: device, seed: 1)
    for shape in [[3], [3, 3], [3, 3, 1, 1]] { _ = store.declare("\(shape)", shape, .ones) }
    #expect(store.parameters.map(\.decays) == [false, true, true])
  }

  @Test(arguments: [Float(0), 0.5, 0.99]) func movingAverageAfterNSteps(decay: Float) {
    let store = ParameterStore(device: device, seed: 1)
    let p = store.declare("p", [100], .normal(deviation: 1))
    let start = p.value.toArray()
    let average = MovingAverage(store, decay: decay)
    p.value.pointer.update(repeating: 2, count: 100)
    let steps = 30
    for _ in 0..<steps { average.update() }
    // Against a constant the start's share is decay^n.
    let share = (0..<steps).reduce(1.0) { result, _ in result * Double(decay) }
    let exact = start.map { ExactSum(2 + share * (Double($0) - 2), magnitude: 2 + abs(Double($0))) }
    expectWithin(average.values[0].toArray(), exact, roundings: 4 * Double(steps), "average")
    average.update(decay: 0)
    #expect(average.values[0].toArray() == p.value.toArray())
  }
}
