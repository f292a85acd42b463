import StreamFormat
import TensorCore

/// The rule by which a token is replaced.
struct Replacement {
  /// Number of codes.
  let codeCount: Int
  private let candidates: (_ code: UInt32, _ word: UInt64) -> UInt32

  /// A fixed code for each code.
  static func table(_ table: [UInt32]) -> Replacement {
    Replacement(codeCount: table.count) { code, _ in table[Int(code)] }
  }

  /// A random other code of the same cluster; a code that is alone in its cluster stays.
  static func clusters(_ clusterOf: [Int]) -> Replacement {
    var members = [[UInt32]](repeating: [], count: (clusterOf.max() ?? -1) + 1)
    var rank = [Int](repeating: 0, count: clusterOf.count)
    for (code, cluster) in clusterOf.enumerated() {
      rank[code] = members[cluster].count
      members[cluster].append(UInt32(code))
    }
    return Replacement(codeCount: clusterOf.count) { [members, rank] code, word in
      let cluster = members[clusterOf[Int(code)]]
      if cluster.count == 1 { return code }
      let draw = Int(((word >> 32) * UInt64(cluster.count - 1)) >> 32)
      return cluster[draw < rank[Int(code)] ? draw : draw + 1]
    }
  }

  private init(codeCount: Int, _ candidates: @escaping (_ code: UInt32, _ word: UInt64) -> UInt32) {
    (self.codeCount, self.candidates) = (codeCount, candidates)
  }

  /// The code in place of a code, chosen by a random word.
  func code(for code: UInt32, _ word: UInt64) -> UInt32 { candidates(code, word) }
}

/// Replaces tokens. The random numbers belong to the place of the image among those that were listed, and to the position:
/// they depend neither on how a file is cut into records or shards, nor on images that were skipped, nor on the share, so
/// that a larger share replaces the positions of a smaller one and others.
struct Perturbation {
  let replacement: Replacement
  let share: Double
  let seed: UInt64

  /// Replaces tokens of a batch.
  /// - Parameter firstPlace: the place of the first image that was listed for it.
  /// - Returns: the number of tokens that changed.
  func apply(to batch: inout TokenBatch, firstPlace: Int) -> Int {
    let perImage = batch.header.viewCount * batch.header.tokensPerView
    var changed = 0
    for (image, listed) in batch.listedPlaces.enumerated() {
      var random = CounterRandom(seed: seed, purpose: .perturbation, index: UInt64(firstPlace + listed))
      for place in image * perImage..<(image + 1) * perImage {
        let isChosen = random.uniform() < share
        let old = batch.tokens[place]
        let new = replacement.code(for: old, random.next())
        guard isChosen, new != old else { continue }
        batch.tokens[place] = new
        changed += 1
      }
    }
    return changed
  }
}
