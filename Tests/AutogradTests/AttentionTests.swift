@testable import Autograd
import Glibc
import StreamFormat
import TensorCore
import Testing
import TestSupport

/// Attention against the textbook formula in double, and what masks promise.
@Suite struct AttentionTests {
  let device = Device(threadCount: 2)

  struct Case: Sendable, CustomTestStringConvertible {
    var batch = 2
    var length: Int
    var heads = 2
    var size = 4
    var mask: String
    var rotated: Bool
    var testDescription: String { "T \(length), \(heads) heads of \(size), \(mask), rotated \(rotated)" }

    /// Keys that a query sees; for "visible", some pattern with an empty row.
    func sees(_ b: Int, _ query: Int, _ key: Int) -> Bool {
      switch mask {
      case "causal": return key <= query
      case "hiding": return key == query || key < query && isShown(b, key)
      case "visible": return query != 1 && (query * 3 + key * 5 + b) % 4 != 0
      default: return true
      }
    }

    /// What "hiding" leaves visible to others.
    func isShown(_ b: Int, _ key: Int) -> Bool { (key * 5 + b) % 4 > 1 }

    var attentionMask: AttentionMask {
      switch mask {
      case "causal": return .causal
      case "hiding":
        return .causalVisible((0..<batch * length).map { isShown($0 / length, $0 % length) ? 1 : 0 })
      case "full": return .full
      default:
        return .visible(
          (0..<batch * length * length).map {
            sees($0 / length / length, $0 / length % length, $0 % length) ? 1 : 0
          })
      }
    }
  }

  static let cases = ["causal", "full", "visible", "hiding"].flatMap { mask in
    [false, true].flatMap { rotated in
      [1, 2, 17, 64, 65, 130].map { Case(length: $0, mask: mask, rotated: rotated) }
        + [Case(batch: 1, length: 9, heads: 1, size: 20, mask: mask, rotated: rotated)]
    }
  }

  func rotation(_ c: Case) -> Tensor? {
    guard c.rotated else { return nil }
    return device.tensor(
      (0..<c.length * c.size / 2).flatMap { [Float(cos(Double($0) * 0.7)), Float(sin(Double($0) * 0.7))] },
      [c.length, c.size / 2, 2])
  }

  /// Out [B, T, C] of qkv [B, T, 3C].
  func exact(_ qkv: [Float], _ c: Case) -> [ExactSum] {
    let width = c.heads * c.size
    let angles = rotation(c)?.toArray().map(Double.init)
    func part(_ which: Int, _ b: Int, _ t: Int, _ h: Int) -> [Double] {
      let first = (b * c.length + t) * 3 * width + which * width + h * c.size
      let row = qkv[first..<first + c.size].map(Double.init)
      guard let angles, which < 2 else { return row }
      return row.indices.map { i in
        let (cosine, sine) = (angles[t * c.size + i / 2 * 2], angles[t * c.size + i / 2 * 2 + 1])
        return i % 2 == 0 ? row[i] * cosine - row[i + 1] * sine : row[i] * cosine + row[i - 1] * sine
      }
    }
    var out = [ExactSum](repeating: ExactSum(), count: c.batch * c.length * width)
    for b in 0..<c.batch {
      for h in 0..<c.heads {
        let keys = (0..<c.length).map { part(1, b, $0, h) }
        let values = (0..<c.length).map { part(2, b, $0, h) }
        for query in 0..<c.length {
          let q = part(0, b, query, h)
          let seen = (0..<c.length).filter { c.sees(b, query, $0) }
          let scores = seen.map { key in
            zip(q, keys[key]).reduce(0) { $0 + $1.0 * $1.1 } / Double(c.size).squareRoot()
          }
          let whole = logSumExp(scores)
          for (key, score) in zip(seen, scores) {
            for i in 0..<c.size {
              out[(b * c.length + query) * width + h * c.size + i].add(exp(score - whole) * values[key][i])
            }
          }
        }
      }
    }
    return out
  }

  @Test(arguments: cases) func forward(_ c: Case) {
    let qkv = device.random([c.batch, c.length, 3 * c.heads * c.size], 30)
    let y = Tape(device: device, isRecording: false).attention(
      qkv: Variable(qkv), heads: c.heads, rotation: rotation(c), mask: c.attentionMask)
    #expect(y.shape == [c.batch, c.length, c.heads * c.size])
    // Scores of magnitude up to 20 put 20 (size + 2) roundings into the weights; sums add their length.
    expectWithin(
      y.value.toArray(), exact(qkv.toArray(), c), roundings: 40 * Double(c.size + 2) + 2 * Double(c.length),
      "attention")
  }

  @Test(arguments: cases.filter { $0.length != 64 }) func gradients(_ c: Case) {
    let qkv = device.random([c.batch, c.length, 3 * c.heads * c.size], 31)
    let (table, mask) = (rotation(c), c.attentionMask)
    checkGradients(device, of: [qkv]) {
      $0.attention(qkv: $1[0], heads: c.heads, rotation: table, mask: mask)
    }
  }

  @Test(arguments: ["causal", "full"]) func separateInputs(mask: String) {
    let c = Case(length: 7, mask: mask, rotated: false)
    let parts = (0..<3).map { device.random([2, 7, 8], UInt64(32 + $0)) }
    let y = Tape(device: device, isRecording: false).attention(
      query: Variable(parts[0]), key: Variable(parts[1]), value: Variable(parts[2]), heads: 2,
      mask: c.attentionMask)
    let side = (0..<14).flatMap { row in parts.flatMap { $0.toArray()[row * 8..<(row + 1) * 8] } }
    let packed = Tape(device: device, isRecording: false).attention(
      qkv: Variable(device.tensor(side, [2, 7, 24])), heads: 2, rotation: nil, mask: c.attentionMask)
    expectClose(
      y.value.toArray(), packed.value.toArray(), relativeToLargest: 16 * unitRoundoff, "separate and packed")
    checkGradients(device, of: parts) {
      $0.attention(query: $1[0], key: $1[1], value: $1[2], heads: 2, mask: c.attentionMask)
    }
  }

  @Test func oneVariableAsQueryKeyAndValueGetsAllThreeGradients() {
    checkGradients(device, of: [device.random([2, 6, 8], 35)]) {
      $0.attention(query: $1[0], key: $1[0], value: $1[0], heads: 2, mask: .full)
    }
  }

  /// What a query may not see must not change a bit of its output or receive a gradient.
  @Test(arguments: ["causal", "visible", "hiding"], [5, 70]) func hiddenKeysHaveExactlyNoWeight(
    mask: String, length: Int
  ) {
    let c = Case(batch: 1, length: length, heads: 1, size: 4, mask: mask, rotated: false)
    let query = length - 2
    var values = normals(length * 12, 36)
    func output(_ values: [Float]) -> [Float] {
      let y = Tape(device: device, isRecording: false).attention(
        qkv: Variable(device.tensor(values, [1, length, 12])), heads: 1, rotation: nil, mask: c.attentionMask)
      return Array(y.value.toArray()[query * 4..<(query + 1) * 4])
    }
    let before = output(values)
    let hidden = (0..<length).filter { !c.sees(0, query, $0) }
    #expect(!hidden.isEmpty)
    for key in hidden { for i in 4..<12 { values[key * 12 + i] = 1000 } }
    #expect(output(values) == before)
  }

  @Test func aHiddenKeyReceivesNoGradientButItsOwnQuerys() throws {
    let qkv = Variable(device.random([1, 4, 12], 38), requiresGradient: true)
    let tape = Tape(device: device)
    let y = tape.attention(qkv: qkv, heads: 1, rotation: nil, mask: .causalVisible([1, 0, 1, 1]))
    // Of the outputs after the hidden key only: its key and value have no part in them.
    let weights = device.tensor((0..<16).map { (place: Int) -> Float in place < 8 ? 0 : 1 }, [1, 4, 4])
    tape.backward(from: tape.dot(y, weights))
    let gradient = try #require(qkv.gradient).toArray()
    #expect(gradient[12..<24].allSatisfy { $0 == 0 })
    #expect(gradient[4..<12].contains { $0 != 0 })
  }

  @Test func withEverythingHiddenEachQuerySeesItself() {
    let qkv = device.random([2, 70, 12], 39)
    let y = Tape(device: device, isRecording: false).attention(
      qkv: Variable(qkv), heads: 1, rotation: nil, mask: .causalVisible([UInt8](repeating: 0, count: 140)))
    let rows = qkv.toArray()
    let own: [Float] = (0..<140).flatMap { row in rows[(row * 12 + 8)..<(row * 12 + 12)] }
    #expect(y.value.toArray() == own)
  }

  @Test func aRowThatSeesNothingGivesZeros() throws {
    let qkv = Variable(device.random([1, 3, 12], 37), requiresGradient: true)
    let tape = Tape(device: device)
    let y = tape.attention(
      qkv: qkv, heads: 1, rotation: nil, mask: .visible([1, 1, 1, 0, 0, 0, 0, 0, 0]))
    #expect(y.value.toArray()[4...].allSatisfy { $0 == 0 })
    tape.backward(from: tape.dot(y, device.full([1, 3, 4], 1)))
    let gradient = try #require(qkv.gradient).toArray()
    #expect(gradient.allSatisfy { $0.isFinite })
    #expect(gradient[12..<16].allSatisfy { $0 == 0 } && gradient[24..<28].allSatisfy { $0 == 0 })
  }
}
