@testable import Codebooks
import Testing

/// Items by group, in order, and their numbers within.
@Suite struct GroupingTests {
  @Test func groupsKeepTheOrderOfTheirItems() {
    let grouping = GroupedItems([2, 0, 2, 2, 4], count: 6)
    #expect(grouping.count == 6)
    #expect((0..<6).map { Array(grouping[$0]) } == [[1], [], [0, 2, 3], [], [4], []])
    #expect(grouping.items == [1, 0, 2, 3, 4] && grouping.places(of: 2) == 1..<4)
    #expect(grouping.ranks == [0, 0, 1, 2, 0])
  }

  @Test func nothingToGroup() {
    let grouping = GroupedItems([], count: 2)
    #expect(grouping[0].isEmpty && grouping[1].isEmpty && grouping.ranks == [])
  }
}
