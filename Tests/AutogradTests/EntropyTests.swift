import Autograd
import Glibc
import TensorCore
import Testing
import TestSupport

/// The losses and operations of quantisers, against the formulas in double.
@Suite struct EntropyTests {
  let device = Device(threadCount: 2)

  /// Mean entropy of the softmax of -|z - e|^2 / T, and the entropy of its mean.
  private func exact(_ latents: [Float], _ codes: [Float], d: Int, temperature: Double) -> (
    sample: Double, code: Double
  ) {
    let (n, k) = (latents.count / d, codes.count / d)
    var mean = [Double](repeating: 0, count: k)
    var sample = 0.0
    for i in 0..<n {
      let scores = (0..<k).map { j in
        -(0..<d).reduce(0.0) {
          let difference = Double(latents[i * d + $1]) - Double(codes[j * d + $1])
          return $0 + difference * difference
        } / temperature
      }
      let whole = logSumExp(scores)
      for (j, score) in scores.enumerated() {
        let p = exp(score - whole)
        sample += p * (whole - score) / Double(n)
        mean[j] += p / Double(n)
      }
    }
    return (sample, -mean.reduce(0) { $0 + ($1 > 0 ? $1 * log($1) : 0) })
  }

  private func signs(_ d: Int) -> [Float] {
    (0..<1 << d).flatMap { code in (0..<d).map { code >> $0 & 1 == 1 ? Float(1) : -1 } }
  }

  private func expectClose(_ found: CodeEntropy, _ exact: (sample: Double, code: Double), _ tolerance: Double)
  {
    #expect(abs(found.sampleEntropy - exact.sample) < tolerance, "\(found.sampleEntropy), \(exact.sample)")
    #expect(abs(found.codeEntropy - exact.code) < tolerance, "\(found.codeEntropy), \(exact.code)")
    #expect(abs(Double(found.loss.value.scalar) - exact.sample + exact.code) < 2 * tolerance)
  }

  @Test(arguments: [(1, 1, 1), (7, 5, 3), (40, 64, 8)], [Float(0.01), 0.5, 3])
  func entropyOfCodes(size: (n: Int, k: Int, d: Int), temperature: Float) {
    let (z, e) = (device.random([size.n, size.d], 1), device.random([size.k, size.d], 2))
    let found = Tape(device: device, isRecording: false)
      .codeEntropy(Variable(z), codes: Variable(e), temperature: temperature)
    // Scores of up to 50 / T are rounded.
    expectClose(
      found, exact(z.toArray(), e.toArray(), d: size.d, temperature: Double(temperature)),
      1e-5 * max(1, 1 / Double(temperature)))
  }

  /// With so many codes 64 latents are done at a time.
  @Test func severalBlocksAreOne() throws {
    let (z, e) = (device.random([150, 2], 3), device.random([131_072, 2], 4))
    let codes = Variable(e, requiresGradient: true)
    func loss(_ rows: [Float]) throws -> (CodeEntropy, [Float]) {
      let tape = Tape(device: device)
      let latents = Variable(device.tensor(rows, [rows.count / 2, 2]), requiresGradient: true)
      let found = tape.codeEntropy(latents, codes: codes, temperature: 0.5)
      tape.backward(from: found.loss)
      return (found, try #require(latents.gradient).toArray())
    }
    let whole = try loss(z.toArray())
    let order = Array((0..<150).reversed())
    let turned = try loss(order.flatMap { Array(z.toArray()[2 * $0..<2 * $0 + 2]) })
    #expect(abs(whole.0.codeEntropy - turned.0.codeEntropy) < 1e-4)
    #expect(abs(whole.0.sampleEntropy - turned.0.sampleEntropy) < 1e-4)
    TestSupport.expectClose(
      order.flatMap { Array(turned.1[2 * $0..<2 * $0 + 2]) }, whole.1, relativeToNorm: 1e-3, "gradients")
    #expect(codes.gradient != nil)
  }

  @Test func gradientsOfCodes() {
    let (z, e) = (device.random([6, 3], 5), device.random([5, 3], 6))
    for temperature in [Float(0.7), 4] {
      checkGradients(device, of: [z, e]) {
        $0.codeEntropy($1[0], codes: $1[1], temperature: temperature).loss
      }
    }
  }

  /// A latent at each code, and far from all others: every latent is sure, and all codes are used alike.
  @Test func theBestCase() {
    let codes = device.tensor(signs(4), [16, 4])
    let found = Tape(device: device, isRecording: false)
      .codeEntropy(Variable(codes), codes: Variable(codes), temperature: 0.01)
    #expect(abs(found.sampleEntropy) < 1e-5 && abs(found.codeEntropy - log(16)) < 1e-5)
    let same = Tape(device: device, isRecording: false).signEntropy(Variable(codes), temperature: 0.01)
    #expect(abs(same.sampleEntropy) < 1e-5 && abs(same.codeEntropy - log(16)) < 1e-5)
  }

  @Test(arguments: 1...7) func entropyOfSigns(d: Int) throws {
    let z = device.random([30, d], 7)
    for temperature in [Float(0.3), 2] {
      let tape = Tape(device: device)
      let latents = Variable(z, requiresGradient: true)
      let found = tape.signEntropy(latents, temperature: temperature)
      expectClose(found, exact(z.toArray(), signs(d), d: d, temperature: Double(temperature)), 2e-5)
      tape.backward(from: found.loss, scale: 2)
      // The same as the entropy of these codes, whose gradient is another computation.
      let (other, copy) = (Tape(device: device), Variable(z, requiresGradient: true))
      let explicit = other.codeEntropy(
        copy, codes: Variable(device.tensor(signs(d), [1 << d, d])), temperature: temperature)
      other.backward(from: explicit.loss, scale: 2)
      TestSupport.expectClose(
        try #require(latents.gradient).toArray(), try #require(copy.gradient).toArray(), relativeToNorm: 1e-3,
        floor: 1e-6, "gradients of \(d) signs")
    }
    checkGradients(device, of: [z]) { $0.signEntropy($1[0], temperature: 3).loss }
  }

  @Test func latentsFarAwayAreFinite() throws {
    let z = device.tensor([1e4, -1e4, 300, -2, 0, 1e-8], [2, 3])
    let latents = Variable(z, requiresGradient: true)
    let tape = Tape(device: device)
    tape.backward(from: tape.signEntropy(latents, temperature: 0.01).loss)
    #expect(try #require(latents.gradient).isFinite)
    let (again, copy) = (Tape(device: device), Variable(z, requiresGradient: true))
    again.backward(
      from: again.codeEntropy(copy, codes: Variable(device.tensor(signs(3), [8, 3])), temperature: 0.01).loss)
    #expect(try #require(copy.gradient).isFinite)
  }

  // MARK: Other operations of the same methods

  @Test(arguments: [[2], [3], [8, 5, 4, 7], [16, 2, 1024]]) func bounding(levels: [Int]) {
    let d = levels.count
    let x = device.random([50, d], 8, deviation: 2)
    let y = Tape(device: device, isRecording: false).boundToLevels(Variable(x), levels: levels).value
    for (i, value) in x.toArray().enumerated() {
      let l = Double(levels[i % d])
      let half = (l - 1) * (1 - 1e-3) / 2
      let offset = levels[i % d] % 2 == 1 ? 0 : 0.5
      let expected = (tanh(Double(value) + tan(offset / half)) * half - offset) / Double(levels[i % d] / 2)
      #expect(abs(Double(y.pointer[i]) - expected) < 1e-6)
    }
    checkGradients(device, of: [x]) { $0.boundToLevels($1[0], levels: levels) }
  }

  @Test(arguments: [Float(1), -1]) func squaredExcess(sign: Float) {
    let x = device.random([40], 9)
    let found = Tape(device: device, isRecording: false)
      .meanSquaredExcess(Variable(x), over: 0.25, sign: sign).value.scalar
    let expected = x.toArray().reduce(0.0) {
      let excess = max(0, Double(sign) * (Double($1) - 0.25))
      return $0 + excess * excess / 40
    }
    #expect(abs(Double(found) - expected) < 1e-6 && expected > 0.1)
    checkGradients(device, of: [x]) { $0.meanSquaredExcess($1[0], over: 0.25, sign: sign) }
  }
}
