/// Items grouped by a label: codes by their cluster, or positions by their coarse label.
public struct GroupedItems: Sendable, Equatable {
  /// The group of each item.
  public let labels: [Int]
  /// All items, group after group, ascending within each.
  public let items: [Int]
  /// Where each group begins in `items`, and the end.
  private let starts: [Int]

  /// Groups 0 ..< `count`, some of which may be empty.
  /// - Precondition: every label is one of them.
  public init(_ labels: [Int], count: Int) {
    precondition(
      labels.allSatisfy { (0..<count).contains($0) }, "GroupedItems: a label beyond \(count) groups")
    var starts = [Int](repeating: 0, count: count + 1)
    for label in labels { starts[label + 1] += 1 }
    for group in 0..<count { starts[group + 1] += starts[group] }
    var next = starts
    var items = [Int](repeating: 0, count: labels.count)
    for (item, label) in labels.enumerated() {
      items[next[label]] = item
      next[label] += 1
    }
    (self.labels, self.items, self.starts) = (labels, items, starts)
  }

  /// Blocks of successive items, as of a rearranged codebook (IAR): item y is of group y / size. Nil for the size 0.
  /// - Precondition: `size` divides `items`.
  public init?(_ items: Int, inBlocksOf size: Int) {
    guard size > 0 else { return nil }
    precondition(items % size == 0, "GroupedItems: \(items) items in blocks of \(size)")
    self.init((0..<items).map { $0 / size }, count: items / size)
  }

  /// The number of groups.
  public var count: Int { starts.count - 1 }

  /// The places of a group in `items`.
  public func places(of group: Int) -> Range<Int> { starts[group]..<starts[group + 1] }

  /// The items of a group.
  public subscript(group: Int) -> ArraySlice<Int> { items[places(of: group)] }

  /// The number of each item within its group.
  public var ranks: [Int] {
    var ranks = [Int](repeating: 0, count: items.count)
    for (place, item) in items.enumerated() { ranks[item] = place - starts[labels[item]] }
    return ranks
  }
}
