/// The tokens of a batch while they are drawn: final ones, and behind them drafts that a pass takes for given.
///
/// A pass computes a window of places of each image at once. The first place has a final prefix, so its token is
/// final. If it is the one that was drafted, the next place had a final prefix too, and so on; behind the first
/// difference all draws are new drafts. With random numbers that belong to a place and not to a pass, the final
/// tokens are those of drawing one place at a time, whatever the drafts were ("Predictive Sampling with Forecasting
/// Autoregressive Models", Wiggers and Hoogeboom, 2020, section 3), unless a draft may stand for another token.
struct DraftedTokens {
  /// Tokens of each image, [B][up to N]: final, then drafted.
  private(set) var tokens: [[Int]]
  /// Final tokens of each image.
  private var finalCounts: [Int]
  /// Tokens of each image that a pass has drawn; behind them stand first drafts, which are copies.
  private var drawnCounts: [Int]
  private let count, columns, window: Int
  private let known: (_ image: Int, _ position: Int) -> Int?

  /// - Parameters:
  ///   - count: N, tokens per image.
  ///   - columns: of the grid; the first draft of a place is the token above it.
  ///   - window: places per pass and image; 1 drafts nothing.
  ///   - known: the token of a place where it is given.
  init(
    images: Int, count: Int, columns: Int, window: Int,
    known: @escaping (_ image: Int, _ position: Int) -> Int?
  ) {
    (self.count, self.columns, self.window, self.known) = (count, columns, window, known)
    tokens = [[Int]](repeating: [], count: images)
    finalCounts = [Int](repeating: 0, count: images)
    drawnCounts = finalCounts
  }

  /// Final tokens of all images.
  var finalCount: Int { finalCounts.reduce(0, +) }

  /// The places of the next pass; none when all tokens are final.
  mutating func nextPlaces() -> [Place] {
    tokens.indices.flatMap { image in
      let positions = finalCounts[image]..<min(finalCounts[image] + window, count)
      for position in tokens[image].count..<max(tokens[image].count, positions.upperBound) {
        tokens[image].append(firstDraft(image, position))
      }
      return positions.map { Place(image: image, position: $0) }
    }
  }

  private func firstDraft(_ image: Int, _ position: Int) -> Int {
    if let token = known(image, position) { return token }
    return position >= columns ? tokens[image][position - columns] : tokens[image].last ?? 0
  }

  /// Takes what a pass drew at its places.
  /// - Parameters:
  ///   - drawn: nil where no token could be drawn.
  ///   - isAlike: whether a draft may stand for another token, which was drawn at a place of the pass. Asked only of drafts
  ///     that a pass has drawn and that this one has taken for given.
  ///   - fail: called for a final place without a token.
  mutating func accept(
    _ drawn: [Int?], at places: [Place],
    isAlike: (_ draft: Int, _ drawn: Int, _ index: Int) -> Bool,
    fail: (Place) throws -> Void
  ) rethrows {
    var isFinal = [Bool](repeating: true, count: tokens.count)
    for (index, (place, token)) in zip(places, drawn).enumerated() {
      let (image, position) = (place.image, place.position)
      guard let token else {
        if isFinal[image] { try fail(place) }
        continue
      }
      if isFinal[image] {
        finalCounts[image] += 1
        let isGiven = index + 1 < places.count && places[index + 1].image == image
        let draft = tokens[image][position]
        isFinal[image] =
          isGiven && (draft == token || position < drawnCounts[image] && isAlike(draft, token, index))
        if isFinal[image] { continue }
      }
      tokens[image][position] = token
    }
    for place in places { drawnCounts[place.image] = max(drawnCounts[place.image], place.position + 1) }
  }
}
