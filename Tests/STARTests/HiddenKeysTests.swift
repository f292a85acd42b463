@testable import STAR
import StreamFormat
import Testing

/// Which tokens a self-guided student cannot attend to.
@Suite struct HiddenKeysTests {
  /// Rows of bytes, a sequence each; nil where nothing is hidden.
  func visible(_ hidden: HiddenKeys, block: Int = 0, length: Int) -> [[UInt8]]? {
    guard case .causalVisible(let bytes) = hidden.mask(block: block) else { return nil }
    return (0..<bytes.count / length).map { Array(bytes[$0 * length..<($0 + 1) * length]) }
  }

  func keys(
    _ sequences: Range<Int>, ratio: Double = 0.25, length: Int = 65, blocks: Int = 1, seed: UInt64 = 3
  )
    -> HiddenKeys
  {
    HiddenKeys(sequences: sequences, length: length, ratio: ratio, blocks: blocks, seed: seed)
  }

  @Test(arguments: [(0.25, 65, 16), (0.25, 64, 16), (0.45, 257, 115), (0.99, 5, 4), (0.1, 6, 1)])
  func theShareIsExactAndTheClassStaysVisible(ratio: Double, length: Int, count: Int) throws {
    let rows = try #require(visible(keys(0..<50, ratio: ratio, length: length), length: length))
    #expect(rows.count == 50)
    for row in rows {
      #expect(row[0] == 1)
      #expect(row.count { $0 == 0 } == count)
      #expect(row.allSatisfy { $0 <= 1 })
    }
  }

  @Test(arguments: [(0.0, 65), (0.25, 1), (0.05, 8)]) func nothingHidden(ratio: Double, length: Int) {
    #expect(visible(keys(0..<4, ratio: ratio, length: length), length: length) == nil)
  }

  @Test func setsBelongToSequencesNotToBatches() throws {
    let all = try #require(visible(keys(0..<40), length: 65))
    #expect(try #require(visible(keys(13..<17), length: 65)) == Array(all[13..<17]))
    #expect(Set(all).count == 40)
    #expect(visible(keys(0..<40, seed: 4), length: 65) != all)
  }

  @Test func everyTokenIsHiddenEquallyOften() throws {
    let all = try #require(visible(keys(0..<2000), length: 65))
    for key in 1..<65 {
      // Binomial with p = 1/4: 500, deviation 19.
      let count = all.count { $0[key] == 0 }
      #expect(abs(count - 500) < 97, "key \(key): \(count)")
    }
  }

  @Test func oneSetServesAllBlocksUnlessEachDrawsItsOwn() throws {
    let shared = keys(0..<3)
    #expect(visible(shared, block: 7, length: 65) == visible(shared, length: 65))
    let own = keys(0..<3, blocks: 4)
    let sets = try (0..<4).map { try #require(visible(own, block: $0, length: 65)) }
    #expect(Set(sets).count == 4)
    #expect(sets[0] == visible(shared, length: 65), "the first block's set is the shared one")
  }
}
