import CKernels
import Glibc
@testable import TensorCore
import Testing
import TestSupport

/// Attention over a cache, in both formats, against the same formula in double.
@Suite struct CachedAttentionKernelTests {
  static let block = Int(TSR_KEY_BLOCK)

  static func half(_ x: Float) -> Float { Float(PackedLinearKernelTests.rounded(x)) }

  @Test(arguments: [1, 2, 17, 32, 33, 64, 100], [1, 4, 16, 20, 64, 100])
  func againstDoubles(count: Int, size: Int) {
    let scale = 1 / Float(size).squareRoot()
    let (q, k, v) = (normals(size, 54), normals(count * size, 55), normals(count * size, 56))
    let cached = (count + Self.block - 1) / Self.block * Self.block
    var (out, weights) = ([Float](repeating: .nan, count: size), [Float](repeating: .nan, count: cached))
    var keys = [Float](repeating: .nan, count: cached * size)
    var values = [Float](repeating: .nan, count: count * size)
    var halfKeys = [UInt16](repeating: 0x7fc0, count: cached * size)
    var halfValues = [UInt16](repeating: 0x7fc0, count: count * size)
    for t in 0..<count {
      let (key, value) = (Array(k[t * size..<(t + 1) * size]), Array(v[t * size..<(t + 1) * size]))
      tsr_cache_store(&keys, &values, key, value, t, size)
      tsr_cache_store_bfloat16(&halfKeys, &halfValues, key, value, t, size)
    }
    tsr_cache_attend(&out, &weights, q, keys, values, scale, count, size)
    expect(out, q, k, v, scale, "float32")
    tsr_cache_attend_bfloat16(&out, &weights, q, halfKeys, halfValues, scale, count, size)
    expect(out, q, k.map(Self.half), v.map(Self.half), scale, "bfloat16")
  }

  func expect(_ out: [Float], _ q: [Float], _ k: [Float], _ v: [Float], _ scale: Float, _ what: String) {
    let (size, count) = (q.count, k.count / q.count)
    var (scores, magnitude) = ([Double](), 0.0)
    for t in 0..<count {
      var dot = ExactSum()
      for i in 0..<size { dot.add(Double(q[i]) * Double(k[t * size + i]) * Double(scale)) }
      scores.append(dot.value)
      magnitude = max(magnitude, dot.magnitude)
    }
    let largest = scores.max()!
    let whole = scores.reduce(0) { $0 + exp($1 - largest) }
    let exact = (0..<size).map { i in
      var sum = ExactSum()
      for t in 0..<count { sum.add(exp(scores[t] - largest) / whole * Double(v[t * size + i])) }
      return sum
    }
    let roundings = 2 * Double(size + 2) * magnitude + 2 * Double(count) + 40
    expectWithin(out, exact, roundings: roundings, "attention of one head over a \(what) cache")
  }
}
