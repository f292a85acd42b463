/// The steps of a run after which its model is saved beside the product, so that a run can be looked at over training.
public struct SavedSteps: Sendable, Equatable {
  /// Steps between two of them; 0 for none.
  public var interval: Int
  /// Further steps.
  public var single: Set<Int>

  /// Every `interval` steps, and after the steps in `single`.
  public init(every interval: Int = 0, and single: Set<Int> = []) {
    precondition(interval >= 0, "SavedSteps: every \(interval) steps")
    (self.interval, self.single) = (interval, single)
  }

  /// Whether the model is saved after a step, counted from 1.
  public func contains(_ step: Int) -> Bool {
    single.contains(step) || (interval > 0 && step % interval == 0)
  }

  /// How many steps up to `last` there are.
  public func count(through last: Int) -> Int {
    let spaced = interval > 0 ? last / interval : 0
    return spaced + single.count { (1...last).contains($0) && (interval == 0 || $0 % interval != 0) }
  }

  /// The steps up to `last`, ascending.
  public func steps(through last: Int) -> [Int] {
    let spaced = interval > 0 ? Array(stride(from: interval, through: last, by: interval)) : []
    return single.filter { (1...last).contains($0) }.union(spaced).sorted()
  }
}
