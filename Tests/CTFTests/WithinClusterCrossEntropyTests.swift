import Autograd
@testable import CTF
import Codebooks
import Glibc
import TensorCore
import Testing
import TestSupport

/// The cross-entropy within clusters against a loop over the formula, for clusters of all shapes.
@Suite struct ClusterCrossEntropyTests {
  let device = Device(threadCount: 2)

  /// A way of putting codes into clusters.
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let labels: [Int]
    let clusters: Int
  }

  static let cases = [
    Case(testDescription: "mixed", labels: [3, 0, 3, 1, 0, 3, 5, 3, 0, 1, 3], clusters: 7),
    Case(testDescription: "one code each", labels: [2, 0, 3, 1, 5, 4], clusters: 6),
    Case(testDescription: "one cluster", labels: [Int](repeating: 0, count: 9), clusters: 1),
    Case(testDescription: "one code", labels: [0], clusters: 1),
  ]

  /// Mean loss, and the gradients of hidden and weight, by the formulas: only the codes of the target's cluster count.
  private func exact(
    _ hidden: [Float], _ weight: [Float], c: Int, _ targets: [Int], _ labels: [Int], smoothing: Double
  ) -> (loss: Double, dHidden: [Float], dWeight: [Float]) {
    var loss = 0.0
    var (dHidden, dWeight) = (
      [Double](repeating: 0, count: hidden.count), [Double](repeating: 0, count: weight.count)
    )
    for (row, target) in targets.enumerated() {
      let codes = labels.indices.filter { labels[$0] == labels[target] }
      let logits = codes.map { code in
        (0..<c).reduce(0.0) { $0 + Double(hidden[row * c + $1]) * Double(weight[code * c + $1]) }
      }
      let whole = logSumExp(logits)
      for (code, logit) in zip(codes, logits) {
        let wanted = (code == target ? 1 - smoothing : 0) + smoothing / Double(codes.count)
        loss += wanted * (whole - logit) / Double(targets.count)
        let d = (exp(logit - whole) - wanted) / Double(targets.count)
        for i in 0..<c {
          dHidden[row * c + i] += d * Double(weight[code * c + i])
          dWeight[code * c + i] += d * Double(hidden[row * c + i])
        }
      }
    }
    return (loss, dHidden.map { Float($0) }, dWeight.map { Float($0) })
  }

  private func compare(_ labels: [Int], clusters: Int, rows: Int, c: Int, smoothing: Float = 0) throws {
    let k = labels.count
    let targets = (0..<rows).map { ($0 * $0 + 3 * $0) % k }
    let (hidden, weight) = (device.random([rows, c], 50), device.random([k, c], 51))
    let tape = Tape(device: device)
    let (h, w) = (Variable(hidden, requiresGradient: true), Variable(weight, requiresGradient: true))
    let result = tape.withinClusterCrossEntropy(
      h, weight: w, targets: targets, clusters: GroupedItems(labels, count: clusters),
      loss: TokenLoss(labelSmoothing: smoothing))
    let (loss, dHidden, dWeight) = exact(
      hidden.toArray(), weight.toArray(), c: c, targets, labels, smoothing: Double(smoothing))
    // Logits are sums of c products of about 1; the loss is a mean of numbers like them.
    let roundings = Double(3 * c + 100) * unitRoundoff
    #expect(abs(result.tokenLoss - loss) <= roundings * max(1, Double(c)))
    #expect(result.loss.value.scalar == Float(result.tokenLoss))
    tape.backward(from: result.loss, scale: 0.5)
    let scaled = { (x: [Float]) in x.map { $0 / 2 } }
    expectClose(
      try #require(h.gradient).toArray(), scaled(dHidden), relativeToNorm: 10 * roundings, floor: 1e-7,
      "d hidden")
    expectClose(
      try #require(w.gradient).toArray(), scaled(dWeight), relativeToNorm: 10 * roundings, floor: 1e-7,
      "d weight")
  }

  @Test(arguments: cases, [1, 2, 29]) func lossAndGradientsAreTheFormulas(_ shape: Case, rows: Int) throws {
    try compare(shape.labels, clusters: shape.clusters, rows: rows, c: 5)
    try compare(shape.labels, clusters: shape.clusters, rows: rows, c: 5, smoothing: 0.2)
  }

  @Test(arguments: cases) func gradientsAreTheDifferences(_ shape: Case) {
    let k = shape.labels.count
    let targets = (0..<7).map { $0 * 5 % k }
    checkGradients(device, of: [device.random([7, 4], 52), device.random([k, 4], 53)]) {
      $0.withinClusterCrossEntropy(
        $1[0], weight: $1[1], targets: targets, clusters: GroupedItems(shape.labels, count: shape.clusters)
      ).loss
    }
  }

  /// 300 rows of 1000 codes are above what one thread does alone, beside small clusters.
  @Test func aLargeClusterBesideSmallOnes() throws {
    let labels = (0..<1040).map { $0 < 1000 ? 2 : $0 % 2 }
    try compare(labels, clusters: 3, rows: 320, c: 6)
  }

  /// 64 rows of logits are made at a time with so many codes: 150 rows take three blocks.
  @Test func aClusterOfSeveralBlocksIsThePlainLoss() throws {
    let (rows, k, c) = (150, 131_072, 2)
    let targets = (0..<rows).map { $0 * 7919 % k }
    func run(_ loss: (Tape, Variable, Variable) -> CrossEntropyResult) throws -> (Double, [Float], [Float]) {
      let tape = Tape(device: device)
      let h = Variable(device.random([rows, c], 54), requiresGradient: true)
      let w = Variable(device.random([k, c], 55), requiresGradient: true)
      let result = loss(tape, h, w)
      tape.backward(from: result.loss)
      return (result.tokenLoss, try #require(h.gradient).toArray(), try #require(w.gradient).toArray())
    }
    let all = GroupedItems([Int](repeating: 0, count: k), count: 1)
    let one = try run { $0.withinClusterCrossEntropy($1, weight: $2, targets: targets, clusters: all) }
    let two = try run { $0.linearCrossEntropy($1, weight: $2, targets: targets) }
    #expect(abs(one.0 - two.0) <= 100 * unitRoundoff * two.0)
    expectClose(one.1, two.1, relativeToNorm: 2000 * unitRoundoff, "d hidden")
    expectClose(one.2, two.2, relativeToNorm: 2000 * unitRoundoff, "d weight")
  }

  @Test func oneCodeAClusterIsCertain() throws {
    let (h, w) = (
      Variable(device.random([9, 4], 56), requiresGradient: true),
      Variable(device.random([6, 4], 57), requiresGradient: true)
    )
    let tape = Tape(device: device)
    let result = tape.withinClusterCrossEntropy(
      h, weight: w, targets: (0..<9).map { $0 % 6 }, clusters: GroupedItems(Array(0..<6), count: 6))
    tape.backward(from: result.loss)
    #expect(result.tokenLoss == 0)
    #expect(try #require(h.gradient).toArray().allSatisfy { $0 == 0 })
    #expect(try #require(w.gradient).toArray().allSatisfy { $0 == 0 })
  }

  @Test func resultsDoNotDependOnThreads() throws {
    func run(threads: Int) throws -> (Double, [Float], [Float]) {
      let device = Device(threadCount: threads)
      let tape = Tape(device: device)
      let h = Variable(device.random([40, 6], 58), requiresGradient: true)
      let w = Variable(device.random([30, 6], 59), requiresGradient: true)
      let clusters = GroupedItems((0..<30).map { $0 * $0 % 8 }, count: 8)
      let result = tape.withinClusterCrossEntropy(
        h, weight: w, targets: (0..<40).map { $0 * 11 % 30 }, clusters: clusters)
      tape.backward(from: result.loss)
      return (result.tokenLoss, try #require(h.gradient).toArray(), try #require(w.gradient).toArray())
    }
    let one = try run(threads: 1)
    for threads in [2, 3] { #expect(try run(threads: threads) == one, "\(threads) threads") }
  }

  @Test(arguments: [1, 2, 5]) func removeFirst(length: Int) {
    let x = device.random([3, length, 4], 60)
    let y = Tape(device: device, isRecording: false).removeFirst(Variable(x)).value
    #expect(y.shape == [3, length - 1, 4])
    let elements = x.toArray()
    var rows: [Float] = []
    for b in 0..<3 { rows += elements[(b * length + 1) * 4..<(b + 1) * length * 4] }
    #expect(y.toArray() == rows)
    if length > 1 { checkGradients(device, of: [x]) { $0.removeFirst($1[0]) } }
  }
}
