import TensorCore

/// An error while tokens are drawn.
public enum GenerationError: Error, Equatable, CustomStringConvertible {
  /// The model's logits hold a NaN or are infinite.
  case notFinite(image: Int, position: Int)

  /// Image and position, and what to try.
  public var description: String {
    switch self {
    case .notFinite(let image, let position):
      "image \(image), position \(position): expected finite logits; found a NaN or an infinity; "
        + "try: check the model's weights, or a smaller --guidance"
    }
  }
}

/// Draws images token by token with a key-value cache. Each row of the batch is summed in a fixed order, so
/// that the tokens of an image depend only on its class, its seed and its index, and not on its batch.
public final class TokenGenerator {
  let model: PackedTransformer
  let device: Device
  /// The buffers of the last batch, for a next one of the same size.
  private var lastState: GenerationState?

  /// Draws from packed weights.
  public init(_ model: PackedTransformer) {
    (self.model, device) = (model, model.device)
  }

  /// Packs the weights once; they are read in this layout at every position.
  public convenience init(_ model: Transformer, precision: SamplingPrecision = .float32) {
    self.init(PackedTransformer(model, precision: precision))
  }

  /// Draws one image for each label.
  /// - Parameters:
  ///   - imageIndices: the number of each image in the whole run; keys its random stream.
  ///   - kept: the tokens that the images of the whole run must have; nil where all are drawn.
  ///   - interrupted: asked at every position; true ends the batch early with nil.
  /// - Returns: tokens [B, N], raster order.
  /// - Throws: ``GenerationError``.
  public func generate(
    labels: [Int], imageIndices: [Int], guidance: Guidance, draw: DrawOptions, seed: UInt64,
    kept: KeptTokens? = nil, interrupted: () -> Bool = { false }
  ) throws -> [[Int]]? {
    precondition(
      labels.count == imageIndices.count, "generate: \(labels.count) labels, \(imageIndices.count) indices")
    var randoms = imageIndices.map { CounterRandom(seed: seed, purpose: .sampling, index: UInt64($0)) }
    return try run(labels: labels, guidance: guidance, interrupted: interrupted) { position, logits in
      let uniforms = randoms.indices.map { randoms[$0].uniform() }
      let drawn = drawAll(logits, draw, uniforms)
      if let bad = drawn.firstIndex(of: nil) {
        throw GenerationError.notFinite(image: imageIndices[bad], position: position)
      }
      let tokens = drawn.compactMap { $0 }
      guard let kept else { return tokens }
      return zip(imageIndices, tokens).map { kept[$0, position] ?? $1 }
    }
  }

  /// The most probable token at each position of given images, whose own tokens go before: what teacher forcing
  /// compares.
  /// - Parameter tokens: [B, N].
  /// - Throws: ``GenerationError``.
  func greedyChoices(labels: [Int], tokens: [[Int]], guidance: Guidance) throws -> [[Int]] {
    var choices = tokens.map { _ in [Int]() }
    _ = try run(labels: labels, guidance: guidance, interrupted: { false }) { position, logits in
      let greedy = drawAll(logits, DrawOptions(temperature: 0), labels.map { _ in 0 })
      for (image, choice) in greedy.enumerated() {
        guard let choice else { throw GenerationError.notFinite(image: image, position: position) }
        choices[image].append(choice)
      }
      return tokens.map { $0[position] }
    }
    return choices
  }

  /// Runs the model over all positions; `choose` takes each one's guided logits [B, V] and says the tokens.
  private func run(
    labels: [Int], guidance: Guidance, interrupted: () -> Bool,
    choose: (_ position: Int, _ logits: Tensor) throws -> [Int]
  ) throws -> [[Int]]? {
    let configuration = model.configuration
    precondition(
      labels.allSatisfy { (0...configuration.noClass).contains($0) },
      "generate: labels \(labels) of \(configuration.classCount) classes")
    let n = configuration.tokenCount
    let lastGuided = guidance.lastGuided(of: n)
    let images = labels.count
    var tokens = [[Int]](repeating: [], count: images)
    let state = state(images: images, rows: lastGuided == nil ? images : 2 * images)
    for position in 0..<n {
      if interrupted() { return nil }
      if let lastGuided, position == lastGuided + 1 { state.rows = images }
      embed(labels, tokens, state)
      advance(position, state)
      project(state, guidanceScale: Float(guidance.scale(at: position, of: n)))
      for (image, token) in try choose(position, state.logits).enumerated() { tokens[image].append(token) }
    }
    return tokens
  }

  private func state(images: Int, rows: Int) -> GenerationState {
    if let state = lastState, state.images == images, state.capacity == rows {
      state.rows = rows
      return state
    }
    // The old buffers are released before new ones are allocated.
    lastState = nil
    let state = GenerationState(model.configuration, images: images, rows: rows, model.precision, device)
    lastState = state
    return state
  }

  private func embed(_ labels: [Int], _ tokens: [[Int]], _ state: GenerationState) {
    for row in 0..<state.rows {
      let (image, target) = (row % state.images, state.x.pointer + row * model.configuration.width)
      if let token = tokens[image].last {
        model.tokenTable.copy(token, to: target)
      } else {
        model.classTable.copy(row < state.images ? labels[image] : model.configuration.noClass, to: target)
      }
    }
  }

  /// A token for each image, nil where the logits are not finite.
  private func drawAll(_ logits: Tensor, _ draw: DrawOptions, _ uniforms: [Double]) -> [Int?] {
    var drawn = [Int?](repeating: nil, count: uniforms.count)
    let v = logits.lastDimension
    drawn.withUnsafeMutableBufferPointer { drawn in
      guard let result = drawn.baseAddress else { return }
      device.forRanges(uniforms.count) { range in
        for image in range {
          result[image] = drawToken(
            UnsafeMutableBufferPointer(start: logits.pointer + image * v, count: v), draw,
            uniform: uniforms[image])
        }
      }
    }
    return drawn
  }
}
