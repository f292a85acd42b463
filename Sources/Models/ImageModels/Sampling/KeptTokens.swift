/// Tokens that images must have, so that they are completed: only the others are drawn.
public struct KeptTokens: Sendable {
  private let tokens: [[Int]]
  private let isKept: [Bool]
  private let fillings: Int

  /// - Parameters:
  ///   - tokens: [images, N] of the given images.
  ///   - isKept: [N], which places stay as they are.
  ///   - fillings: how many images are drawn for each given one, one after the other.
  public init(_ tokens: [[Int]], isKept: [Bool], fillings: Int) {
    precondition(tokens.allSatisfy { $0.count == isKept.count } && fillings > 0, "KeptTokens: sizes differ")
    (self.tokens, self.isKept, self.fillings) = (tokens, isKept, fillings)
  }

  /// Number of images that are drawn.
  public var count: Int { tokens.count * fillings }

  /// The token that an image must have at a place; nil where it is drawn.
  public subscript(image: Int, position: Int) -> Int? {
    isKept[position] ? tokens[image / fillings][position] : nil
  }

  /// Whether some kept place comes after one that is drawn: a causal model does not see it before it draws.
  public var hasKeptAfterDrawn: Bool {
    guard let first = isKept.firstIndex(of: false) else { return false }
    return isKept[first...].contains(true)
  }

  /// The same with other tokens in the place of these, such as coarse labels.
  public func mapped(_ table: [Int]) -> KeptTokens {
    KeptTokens(tokens.map { $0.map { table[$0] } }, isKept: isKept, fillings: fillings)
  }

  /// Drawn tokens [N] of an image with the kept ones in their places.
  public func completed(_ drawn: [Int], image: Int) -> [Int] {
    drawn.indices.map { self[image, $0] ?? drawn[$0] }
  }
}
