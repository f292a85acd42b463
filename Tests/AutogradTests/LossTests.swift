@testable import Autograd
import Glibc
import IAR
import TensorCore
import Testing
import TestSupport

/// Cross-entropies and reconstruction errors.
@Suite struct LossTests {
  let device = Device(threadCount: 2)

  static let options = [
    ClusterLoss(clusterSize: 0), ClusterLoss(labelSmoothing: 0.1, clusterSize: 0),
    ClusterLoss(clusterSize: 4, clusterWeight: 0.7),
    ClusterLoss(labelSmoothing: 0.2, clusterSize: 6, clusterWeight: 2),
  ]

  /// Mean token and cluster loss, by the formulas.
  func exact(_ logits: [Float], _ targets: [Int], _ o: ClusterLoss) -> (
    token: Double, cluster: Double
  ) {
    let v = logits.count / targets.count
    var (token, cluster) = (0.0, 0.0)
    for (row, target) in targets.enumerated() {
      let x = logits[row * v..<(row + 1) * v].map(Double.init)
      let (whole, s) = (logSumExp(x), Double(o.labelSmoothing))
      token += whole - (1 - s) * x[target] - s * x.reduce(0, +) / Double(v)
      guard o.clusterSize > 0 else { continue }
      let first = target / o.clusterSize * o.clusterSize
      cluster += whole - logSumExp(Array(x[first..<first + o.clusterSize]))
    }
    return (token / Double(targets.count), cluster / Double(targets.count))
  }

  @Test(arguments: options) func crossEntropy(_ o: ClusterLoss) {
    let logits = device.random([5, 24], 40, deviation: 2)
    let targets = [0, 23, 7, 7, 12]
    let result = Tape(device: device, isRecording: false).crossEntropy(Variable(logits), targets: targets, o)
    let (token, cluster) = exact(logits.toArray(), targets, o)
    // Losses of about 5 from sums of 24 exponentials.
    expectWithin(result.tokenLoss, ExactSum(token, magnitude: 5), roundings: 60, "token loss")
    expectWithin(result.clusterLoss, ExactSum(cluster, magnitude: 5), roundings: 60, "cluster loss")
    let total = token + (o.clusterSize > 0 ? Double(o.clusterWeight) * cluster : 0)
    expectWithin(Double(result.loss.value.scalar), ExactSum(total, magnitude: 15), roundings: 60, "loss")
    checkGradients(device, of: [logits]) { $0.crossEntropy($1[0], targets: targets, o).loss }
  }

  @Test(arguments: options, [(5, 24, 7), (150, 24, 3)])
  func linearCrossEntropyIsLinearThenCrossEntropy(_ o: ClusterLoss, size: (Int, Int, Int)) throws {
    try compareFused(rows: size.0, v: size.1, c: size.2, o, roundings: 100)
    let (hidden, weight) = (device.random([5, 7], 41), device.random([24, 7], 42))
    checkGradients(device, of: [hidden, weight]) {
      $0.linearCrossEntropy($1[0], weight: $1[1], targets: [1, 2, 3, 4, 20], o).loss
    }
  }

  /// With this vocabulary 64 rows of logits are made at a time: 150 rows take three blocks.
  @Test func linearCrossEntropyOverSeveralBlocksOfRows() throws {
    try compareFused(rows: 150, v: 131_072, c: 2, ClusterLoss(clusterSize: 8), roundings: 2000)
  }

  func compareFused(rows: Int, v: Int, c: Int, _ o: ClusterLoss, roundings: Double) throws {
    let targets = (0..<rows).map { $0 * 7919 % v }
    func run(fused: Bool) throws -> (CrossEntropyResult, [Float], [Float]) {
      let tape = Tape(device: device)
      let hidden = Variable(device.random([rows, c], 43), requiresGradient: true)
      let weight = Variable(device.random([v, c], 44), requiresGradient: true)
      let result =
        fused
        ? tape.linearCrossEntropy(hidden, weight: weight, targets: targets, o)
        : tape.crossEntropy(tape.linear(hidden, weight: weight), targets: targets, o)
      tape.backward(from: result.loss, scale: 0.5)
      return (result, try #require(hidden.gradient).toArray(), try #require(weight.gradient).toArray())
    }
    let (one, two) = (try run(fused: true), try run(fused: false))
    let tolerance = roundings * unitRoundoff
    #expect(abs(one.0.tokenLoss - two.0.tokenLoss) <= tolerance * two.0.tokenLoss)
    #expect(abs(one.0.clusterLoss - two.0.clusterLoss) <= tolerance * two.0.tokenLoss)
    expectClose(one.1, two.1, relativeToNorm: tolerance, "d hidden")
    expectClose(one.2, two.2, relativeToNorm: tolerance, "d weight")
  }

  @Test(arguments: ReconstructionLoss.allCases, [1, 7, 10_000])
  func meanError(kind: ReconstructionLoss, n: Int) {
    let x = device.random([n], 45)
    // At least 0.5 apart: the absolute value has a corner that differences would step over.
    let y = device.tensor(x.toArray().enumerated().map { $1 + ($0 % 2 == 0 ? 0.5 : -0.75) }, [n])
    let error = Tape(device: device, isRecording: false).meanError(Variable(x), Variable(y), kind)
    let differences = zip(x.toArray(), y.toArray()).map { Double($0) - Double($1) }
    let mean = differences.reduce(0) { $0 + (kind == .l2 ? $1 * $1 : abs($1)) } / Double(n)
    expectWithin(
      Double(error.value.scalar), ExactSum(mean), roundings: Double(min(n, 4096)) + 8, "mean error")
    if n == 7 { checkGradients(device, of: [x, y]) { $0.meanError($1[0], $1[1], kind) } }
  }

  @Test func meanErrorStopsAtDetachedVariables() throws {
    let x = Variable(device.random([4], 46), requiresGradient: true)
    let y = Variable(device.random([4], 47), requiresGradient: true)
    let tape = Tape(device: device)
    tape.backward(from: tape.meanError(x, y.detached()))
    #expect(x.gradient != nil && y.gradient == nil)
  }
}
