import TensorCore

/// Codes of which one may stand for another while several places are drawn per pass: a draft also counts as right where
/// another code of its group is drawn, and is kept. Only what an earlier pass has drawn is such a draft, no copy of a
/// neighbour. The group is then drawn from the model's distribution, and the code in it is that of an earlier guess, so the
/// images are others: faster, and not exactly the model's.
///
/// After Grouped Speculative Decoding (So et al., 2025), whose acceptance by probabilities this is not: here random numbers
/// belong to a place, and a group is drawn by them as a token is.
public enum AlikeCodes: Sendable, Equatable {
  /// Each code is alike to itself only: the images are those of one place per pass.
  case none
  /// Clusters that are the same at every place: IAR's blocks, or those of CTF's coarse labels. The cluster of each code.
  case clusters([Int])
  /// Clusters of the moment: the codes sorted by their probability at a place, so many at a time.
  case ranks(Int)

  /// Blocks of neighbours, as IAR's clusters are in the rearranged codebook.
  public static func blocks(of size: Int, codes: Int) -> AlikeCodes {
    precondition(size > 0 && codes > 0, "AlikeCodes: blocks of \(size) among \(codes) codes")
    return .clusters((0..<codes).map { $0 / size })
  }
}

/// Says of the places of a pass whether a draft may stand for what was drawn.
struct DraftJudge {
  private let alike: AlikeCodes
  /// Logits [places, V] before the draw overwrote them; nil where they are not asked for.
  private let logits: Tensor?
  /// The same after the draw: above 0 where the filters leave a code in.
  private let weights: Tensor

  /// Made before the draw.
  init(_ alike: AlikeCodes, _ logits: Tensor, on device: Device) {
    (self.alike, weights) = (alike, logits)
    if case .ranks = alike { self.logits = device.copy(logits) } else { self.logits = nil }
  }

  /// Asked after the draw, of a draft that is another code.
  func accepts(_ draft: Int, for drawn: Int, row: Int) -> Bool {
    let v = weights.lastDimension
    switch alike {
    case .none: return false
    case .clusters(let cluster):
      return cluster[draft] == cluster[drawn] && weights.pointer[row * v + draft] > 0
    case .ranks(let size):
      guard let logits, weights.pointer[row * v + draft] > 0 else { return false }
      let values = UnsafeBufferPointer(start: logits.pointer + row * v, count: v)
      func rank(_ code: Int) -> Int { values.reduce(0) { $0 + ($1 > values[code] ? 1 : 0) } }
      return rank(draft) / size == rank(drawn) / size
    }
  }
}
