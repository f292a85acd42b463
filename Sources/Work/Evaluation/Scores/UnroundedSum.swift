/// A sum of numbers without any rounding: whatever the order and the grouping in which they are added, equal numbers give equal
/// sums, so that the sums of shards add up to that of the whole.
///
/// The sum is kept as an expansion: numbers that do not overlap and together are the exact sum (J. R. Shewchuk, Adaptive
/// precision floating-point arithmetic, 1997, section 2).
public struct UnroundedSum: Equatable, Sendable {
  /// Ascending by magnitude.
  private var expansion: [Double] = []
  /// NaN or infinity, if such a number was added; an expansion has none.
  private var notFinite = 0.0

  public init() {}

  public init(_ terms: [Double]) { for term in terms { add(term) } }

  /// Adds a number.
  public mutating func add(_ value: Double) {
    guard value.isFinite else {
      notFinite += value
      return
    }
    var (carried, kept) = (value, 0)
    for index in expansion.indices {
      let (large, small) =
        abs(carried) < abs(expansion[index]) ? (expansion[index], carried) : (carried, expansion[index])
      let high = large + small
      let low = small - (high - large)
      if low != 0 {
        expansion[kept] = low
        kept += 1
      }
      carried = high
    }
    expansion.removeSubrange(kept...)
    if carried != 0 { expansion.append(carried) }
  }

  /// Adds another sum.
  public mutating func add(_ other: UnroundedSum) {
    for term in other.expansion { add(term) }
    if !other.notFinite.isZero { notFinite += other.notFinite }
  }

  /// The sum, rounded once.
  public var value: Double {
    guard notFinite.isZero else { return notFinite }
    guard var sum = expansion.last else { return 0 }
    var (rest, index) = (0.0, expansion.count - 1)
    while index > 0 {
      index -= 1
      let (before, term) = (sum, expansion[index])
      sum = before + term
      rest = term - (sum - before)
      if rest != 0 { break }
    }
    // What is left below a half decides on which side of it the sum lies.
    if index > 0, rest != 0, (rest < 0) == (expansion[index - 1] < 0) {
      let doubled = 2 * rest
      let moved = sum + doubled
      if moved - sum == doubled { sum = moved }
    }
    return sum
  }

  /// Numbers whose exact sum this is, the rounded sum first: equal sums have equal terms.
  public var terms: [Double] {
    guard notFinite.isZero else { return [notFinite] }
    var (rest, terms) = (self, [Double]())
    while !rest.expansion.isEmpty {
      terms.append(rest.value)
      rest.add(-terms[terms.count - 1])
    }
    return terms
  }

  public static func == (a: UnroundedSum, b: UnroundedSum) -> Bool { a.terms == b.terms }
}

/// A mean that means of other parts can be added to.
public struct MeanSum: Equatable, Sendable {
  public var sum: UnroundedSum
  /// Positions that the sum is of.
  public var count: Int

  public init(sum: UnroundedSum = UnroundedSum(), count: Int = 0) { (self.sum, self.count) = (sum, count) }

  /// Adds the sum of another part.
  public mutating func add(_ other: MeanSum) {
    sum.add(other.sum)
    count += other.count
  }

  /// The mean; nil of nothing.
  public var mean: Double? { count > 0 ? sum.value / Double(count) : nil }
}
