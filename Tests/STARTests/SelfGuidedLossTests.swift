import Autograd
import Glibc
@testable import STAR
import TensorCore
import Testing
import TestSupport

/// What self-guided training adds to the token loss, against its equations in double.
@Suite struct SelfGuidedLossTests {
  let device = Device(threadCount: 2)

  // MARK: ST-AR, equation 4

  func cosine(_ x: ArraySlice<Float>, _ y: ArraySlice<Float>) -> Double {
    func dot(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
      zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    return dot(x, y) / (dot(x, x) * dot(y, y)).squareRoot()
  }

  @Test(arguments: [(1, 1), (5, 3), (2, 64), (130, 17)]) func cosineDistance(rows: Int, c: Int) {
    let (x, y) = (device.random([rows, c], 61), device.random([rows, c], 62, deviation: 5))
    let (a, b) = (x.toArray(), y.toArray())
    var exact = 0.0
    for row in 0..<rows {
      let range = (row * c)..<((row + 1) * c)
      exact += 1 - cosine(a[range], b[range])
    }
    let distance = Tape(device: device, isRecording: false).cosineDistance(Variable(x), to: y)
    expectWithin(
      Double(distance.value.scalar), ExactSum(exact / Double(rows), magnitude: 2), roundings: Double(c) + 8,
      "cosine distance")
    // Of one channel the cosine is a sign: its gradient is rounding, against differences of nothing.
    if c > 1 { checkGradients(device, of: [x], step: 1e-3) { $0.cosineDistance($1[0], to: y) } }
  }

  @Test func cosineDistanceOfEqualAndOfOppositeDirections() {
    let x = device.random([4, 9], 63)
    let tape = Tape(device: device, isRecording: false)
    for (factor, distance) in [(Float(1), 0.0), (3, 0), (-2, 2)] {
      let y = device.tensor(x.toArray().map { $0 * factor }, x.shape)
      let measured = Double(tape.cosineDistance(Variable(x), to: y).value.scalar)
      #expect(abs(measured - distance) < 1e-6)
    }
  }

  @Test func aRowOfZerosIsAtDistanceOneAndStill() throws {
    let x = Variable(device.tensor([0, 0, 1, 2], [2, 2]), requiresGradient: true)
    let tape = Tape(device: device)
    let distance = tape.cosineDistance(x, to: device.tensor([1, 1, 2, 4], [2, 2]))
    #expect(abs(distance.value.scalar - 0.5) < 1e-6)
    tape.backward(from: distance)
    let gradient = try #require(x.gradient).toArray()
    #expect(gradient[..<2].allSatisfy { $0 == 0 })
    #expect(gradient.allSatisfy { $0.isFinite })
  }

  // MARK: ST-AR, equations 6 and 7

  /// -log of the printed quotient, with the temperature, averaged over pairs and images.
  func contrast(_ q: [Float], _ k: [Float], _ b: Int, _ c: Int, _ pairs: [ContrastPair], _ t: Float) -> Double
  {
    var sum = 0.0
    for pair in pairs {
      for image in 0..<b {
        var quotients: [Double] = []
        for other in 0..<b {
          var dot = 0.0
          for i in 0..<c {
            dot += Double(q[(pair.query * b + image) * c + i]) * Double(k[(pair.key * b + other) * c + i])
          }
          quotients.append(exp(dot / Double(t)))
        }
        sum -= log(quotients[image] / quotients.reduce(0, +))
      }
    }
    return sum / Double(pairs.count * b)
  }

  static let pairings = [
    [ContrastPair(query: 0, key: 0)], [.init(query: 0, key: 2), .init(query: 2, key: 1)],
    [.init(query: 1, key: 0), .init(query: 1, key: 2), .init(query: 0, key: 2), .init(query: 1, key: 0)],
  ]

  @Test(arguments: pairings, [(2, 3, Float(1)), (5, 8, 0.5), (17, 4, 2)])
  func infoNCE(pairs: [ContrastPair], size: (b: Int, c: Int, t: Float)) {
    let (b, c, t) = size
    let (q, k) = (device.random([3, b, c], 64), device.random([3, b, c], 65))
    let loss = Tape(device: device, isRecording: false)
      .infoNCE(Variable(q), keys: k, pairs: pairs, temperature: t)
    let exact = contrast(q.toArray(), k.toArray(), b, c, pairs, t)
    // Logits up to 20 / t from sums of c products.
    expectWithin(
      Double(loss.value.scalar), ExactSum(exact, magnitude: 20 / Double(t)), roundings: Double(c) + 40,
      "InfoNCE")
    checkGradients(device, of: [q]) { $0.infoNCE($1[0], keys: k, pairs: pairs, temperature: t) }
  }

  @Test func oneImageHasNoNegatives() throws {
    let q = Variable(device.random([2, 1, 4], 66), requiresGradient: true)
    let tape = Tape(device: device)
    let loss = tape.infoNCE(
      q, keys: device.random([2, 1, 4], 67), pairs: [.init(query: 0, key: 1)], temperature: 0.2)
    // A softmax over one: nothing but rounding of logits of about 20.
    #expect(abs(loss.value.scalar) < 1e-5)
    tape.backward(from: loss)
    #expect(try #require(q.gradient).toArray().allSatisfy { abs($0) < 1e-4 })
  }

  @Test func queriesThatMeetNoKeysHaveNoGradient() throws {
    let q = Variable(device.random([2, 3, 4], 68), requiresGradient: true)
    let tape = Tape(device: device)
    tape.backward(
      from: tape.infoNCE(
        q, keys: device.random([2, 3, 4], 69), pairs: [.init(query: 1, key: 0)], temperature: 1))
    let gradient = try #require(q.gradient).toArray()
    #expect(gradient[..<12].allSatisfy { $0 == 0 })
    #expect(gradient[12...].allSatisfy { $0 != 0 })
  }

  /// Each gradient is added up by one thread: the number of threads changes nothing.
  @Test func contrastsDoNotDependOnThreads() throws {
    func run(_ threads: Int) throws -> [Float] {
      let device = Device(threadCount: threads)
      let q = Variable(device.random([8, 6, 5], 70), requiresGradient: true)
      let tape = Tape(device: device)
      let pairs = (0..<56).map { ContrastPair(query: $0 / 7, key: ($0 / 7 + 1 + $0 % 7) % 8) }
      let loss = tape.infoNCE(q, keys: device.random([8, 6, 5], 71), pairs: pairs, temperature: 0.2)
      tape.backward(from: loss)
      return try loss.value.toArray() + #require(q.gradient).toArray()
    }
    let one = try run(1)
    #expect(try run(2) == one)
    #expect(try run(3) == one)
  }
}
