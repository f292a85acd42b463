import CKernels
@testable import TensorCore
import Testing
import TestSupport

/// Philox against the known answers of its authors' Random123 library, and dropout's masks.
@Suite struct RandomKernelTests {
  func philox(_ counter: [UInt32], _ key: [UInt32], blocks: Int = 1) -> [UInt32] {
    var out = [UInt32](repeating: 0, count: 4 * blocks)
    tsr_philox(&out, key[0], key[1], counter[0], counter[1], counter[2], counter[3], blocks)
    return out
  }

  @Test func knownAnswers() {
    #expect(philox([0, 0, 0, 0], [0, 0]) == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
    let ones = [UInt32](repeating: .max, count: 4)
    #expect(philox(ones, [.max, .max]) == [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd])
    #expect(
      philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0])
        == [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
  }

  @Test(arguments: [0, 1, 3, 16, 33]) func blocksAreConsecutiveCounters(blocks: Int) {
    let first: UInt32 = .max - 2
    let single = (0..<blocks).flatMap { philox([first &+ UInt32($0), 7, 8, 9], [1, 2]) }
    #expect(philox([first, 7, 8, 9], [1, 2], blocks: blocks) == single)
  }

  @Test(arguments: cornerSizes) func dropoutKeepsWordsBelowTheLimit(n: Int) {
    let (x, residual) = (normals(n, 60), normals(n, 61))
    var words = philox([0, 1, 2, 3], [4, 5], blocks: (n + 3) / 4 + 1)
    let limit: UInt32 = 0x9000_0000
    if n > 1 { (words[0], words[1]) = (limit, limit - 1) }
    var y = [Float](repeating: .nan, count: n)
    tsr_dropout_add(&y, nil, nil, x, words, limit, 1.5, n)
    let expected = (0..<n).map { words[$0] < limit ? x[$0] * 1.5 : 0 }
    #expect(y == expected)
    var mask = [UInt8](repeating: 9, count: n)
    tsr_dropout_add(&y, &mask, residual, x, words, limit, 1.5, n)
    #expect(mask == (0..<n).map { words[$0] < limit ? 1 : 0 })
    var dx = [Float](repeating: .nan, count: n)
    tsr_dropout_backward(&dx, x, mask, 1.5, n)
    #expect(dx == expected)
    let exact = (0..<n).map { i in
      var sum = ExactSum(Double(residual[i]))
      if words[i] < limit { sum.add(Double(x[i]) * 1.5) }
      return sum
    }
    expectWithin(y, exact, roundings: 2, "residual and dropout")
  }
}
