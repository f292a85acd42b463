/// A new order of a codebook: a bijection of 0..<count, in both directions.
public struct CodePermutation: Sendable, Equatable {
  /// The old index of the code at each new index.
  public let newToOld: [Int]
  /// The new index of each old code.
  public let oldToNew: [Int]
  /// Number of codes.
  public var count: Int { newToOld.count }

  /// Throws `CodebookError.notABijection` unless each of 0..<count occurs exactly once.
  public init(newToOld: [Int]) throws(CodebookError) {
    self.newToOld = newToOld
    oldToNew = try Self.inverse(of: newToOld)
  }

  /// Throws `CodebookError.notABijection` unless each of 0..<count occurs exactly once.
  public init(oldToNew: [Int]) throws(CodebookError) {
    self.oldToNew = oldToNew
    newToOld = try Self.inverse(of: oldToNew)
  }

  /// The identity.
  public static func identity(_ count: Int) -> CodePermutation {
    CodePermutation(newToOld: Array(0..<count), oldToNew: Array(0..<count))
  }

  /// The way back.
  public var inverse: CodePermutation { CodePermutation(newToOld: oldToNew, oldToNew: newToOld) }

  private init(newToOld: [Int], oldToNew: [Int]) { (self.newToOld, self.oldToNew) = (newToOld, oldToNew) }

  private static func inverse(of list: [Int]) throws(CodebookError) -> [Int] {
    var inverse = [Int](repeating: -1, count: list.count)
    for (position, value) in list.enumerated() {
      guard list.indices.contains(value), inverse[value] < 0 else {
        throw .notABijection(position: position, value: value, count: list.count)
      }
      inverse[value] = position
    }
    return inverse
  }
}
