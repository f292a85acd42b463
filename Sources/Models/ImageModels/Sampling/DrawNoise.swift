import TensorCore

/// The random numbers of a batch, each a function of seed, image and position: whatever the order in which tokens are
/// drawn, and however often one is, a place has the same.
struct DrawNoise: Sendable {
  private let uniforms: [[Double]]
  private let streams: [CounterRandom]
  private let method: DrawMethod

  /// - Parameters:
  ///   - images: the number of each image in the whole run.
  ///   - count: positions of an image.
  ///   - codes: numbers of a position, of ``DrawMethod/gumbel``.
  init(_ method: DrawMethod, images: [Int], seed: UInt64, count: Int, codes: Int) {
    self.method = method
    switch method {
    case .cumulative:
      streams = []
      uniforms = images.map { image in
        var random = CounterRandom(seed: seed, purpose: .sampling, index: UInt64(image))
        return (0..<count).map { _ in random.uniform() }
      }
    case .gumbel:
      precondition(
        count * ((codes + 3) / 4) <= 1 << 32, "DrawNoise: more than 2^34 numbers of an image would repeat")
      uniforms = []
      streams = images.map { CounterRandom(seed: seed, purpose: .gumbelSampling, index: UInt64($0)) }
    }
  }

  /// The token of a place; nil if the logits are not finite.
  /// - Parameter logits: overwritten.
  func draw(_ logits: UnsafeMutableBufferPointer<Float>, _ options: DrawOptions, at place: Place) -> Int? {
    switch method {
    case .cumulative: return drawToken(logits, options, uniform: uniforms[place.image][place.position])
    case .gumbel:
      let blocks = (logits.count + 3) / 4
      return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 4 * blocks) { words in
        guard let start = words.baseAddress else { return nil }
        streams[place.image].fill(
          start, blocks: blocks, first: UInt32(truncatingIfNeeded: place.position * blocks))
        return drawToken(logits, options, words: start)
      }
    }
  }
}
