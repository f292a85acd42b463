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

/// Draws images token by token with a key-value cache. Each row of a pass is summed in a fixed order, so that the
/// tokens of an image depend only on its class, its seed and its index, and not on its batch; on the window of speculation
/// only where codes count as alike.
public final class TokenGenerator {
  let model: PackedTransformer
  let device: Device
  /// The buffers of the last batch, for a next one of the same size.
  private var lastState: GenerationState?
  private var drawnTokens = 0
  private var imagePasses = 0

  /// Draws from packed weights.
  public init(_ model: PackedTransformer) {
    (self.model, device) = (model, model.device)
  }

  /// Packs the weights once; they are read in this layout at every pass.
  public convenience init(_ model: Transformer, precision: SamplingPrecision = .float32) {
    self.init(PackedTransformer(model, precision: precision))
  }

  /// Tokens of an image that a pass has drawn, on average over all batches so far; nil before the first.
  public var tokensPerPass: Double? { imagePasses == 0 ? nil : Double(drawnTokens) / Double(imagePasses) }

  /// Draws one image for each label.
  /// - Parameters:
  ///   - imageIndices: the number of each image in the whole run; keys its random stream.
  ///   - kept: the tokens that the images of the whole run must have; nil where all are drawn.
  ///   - method: how random numbers decide a token.
  ///   - window: places of an image that a pass computes, at least 1; does not change the tokens unless codes are alike.
  ///   - alike: codes of which a draft may stand for the one that was drawn.
  ///   - interrupted: asked at every pass; true ends the batch early with nil.
  /// - Returns: tokens [B, N], raster order.
  /// - Throws: ``GenerationError``.
  public func generate(
    labels: [Int], imageIndices: [Int], guidance: Guidance, draw: DrawOptions, seed: UInt64,
    kept: KeptTokens? = nil, method: DrawMethod = .cumulative, window: Int = 1, alike: AlikeCodes = .none,
    interrupted: () -> Bool = { false }
  ) throws -> [[Int]]? {
    precondition(
      labels.count == imageIndices.count && window > 0,
      "generate: \(labels.count) labels, \(imageIndices.count) indices, window \(window)")
    let noise = DrawNoise(
      method, images: imageIndices, seed: seed, count: model.configuration.tokenCount,
      codes: model.configuration.vocabularySize)
    let known = { (image: Int, position: Int) in kept?[imageIndices[image], position] }
    return try run(
      labels: labels, indices: imageIndices, guidance: guidance, window: window,
      alike: draw.isGreedy ? .none : alike,
      known: known, interrupted: interrupted
    ) { places, logits in
      let drawn = drawAll(logits, draw, noise, places)
      return zip(places, drawn).map { known($0.image, $0.position) ?? $1 }
    }
  }

  /// The most probable token at each position of given images, whose own tokens go before: what teacher forcing
  /// compares.
  /// - Parameter tokens: [B, N].
  /// - Throws: ``GenerationError``.
  func greedyChoices(labels: [Int], tokens: [[Int]], guidance: Guidance) throws -> [[Int]] {
    var choices = tokens.map { _ in [Int]() }
    let indices = Array(labels.indices)
    let noise = DrawNoise(
      .cumulative, images: indices, seed: 0, count: model.configuration.tokenCount, codes: 1)
    _ = try run(
      labels: labels, indices: indices, guidance: guidance, window: 1, alike: .none, known: { _, _ in nil },
      interrupted: { false }
    ) { places, logits in
      let greedy = drawAll(logits, DrawOptions(temperature: 0), noise, places)
      for (place, choice) in zip(places, greedy) {
        guard let choice else { return greedy }
        choices[place.image].append(choice)
      }
      return places.map { tokens[$0.image][$0.position] }
    }
    return choices
  }

  /// Runs the model over all positions; `choose` takes the guided logits [places, V] of a pass and says the tokens.
  private func run(
    labels: [Int], indices: [Int], guidance: Guidance, window: Int, alike: AlikeCodes,
    known: @escaping (_ image: Int, _ position: Int) -> Int?, interrupted: () -> Bool,
    choose: (_ places: [Place], _ logits: Tensor) throws -> [Int?]
  ) throws -> [[Int]]? {
    let configuration = model.configuration
    precondition(
      labels.allSatisfy { (0...configuration.noClass).contains($0) },
      "generate: labels \(labels) of \(configuration.classCount) classes")
    let n = configuration.tokenCount
    let lastGuided = guidance.lastGuided(of: n)
    let scales = (0..<n).map { Float(guidance.scale(at: $0, of: n)) }
    let window = min(window, n)
    var drafted = DraftedTokens(
      images: labels.count, count: n, columns: configuration.gridColumns, window: window, known: known)
    let state = state(images: labels.count, halves: lastGuided == nil ? 1 : 2, window: window)
    while true {
      let places = drafted.nextPlaces()
      if places.isEmpty { return drafted.tokens }
      if interrupted() { return nil }
      state.begin(places, lastGuided: lastGuided)
      let finalTokens = drafted.finalCount
      embed(labels, drafted.tokens, state)
      advance(state)
      project(state, scales: places.map { scales[$0.position] })
      let judge = DraftJudge(alike, state.logits, on: device)
      try drafted.accept(
        choose(places, state.logits), at: places, isAlike: { judge.accepts($0, for: $1, row: $2) },
        fail: { throw GenerationError.notFinite(image: indices[$0.image], position: $0.position) })
      drawnTokens += drafted.finalCount - finalTokens
      imagePasses += Set(places.map(\.image)).count
    }
  }

  private func state(images: Int, halves: Int, window: Int) -> GenerationState {
    if let state = lastState, (state.images, state.halves, state.window) == (images, halves, window) {
      return state
    }
    // The old buffers are released before new ones are allocated.
    lastState = nil
    let state = GenerationState(
      model.configuration, images: images, halves: halves, window: window, model.precision, device)
    lastState = state
    return state
  }

  private func embed(_ labels: [Int], _ tokens: [[Int]], _ state: GenerationState) {
    for row in 0..<state.rows {
      let place = state.places[state.place(ofRow: row)]
      let target = state.x.pointer + row * model.configuration.width
      if place.position > 0 {
        model.tokenTable.copy(tokens[place.image][place.position - 1], to: target)
      } else {
        let hasClass = row < state.places.count
        model.classTable.copy(hasClass ? labels[place.image] : model.configuration.noClass, to: target)
      }
    }
  }

  /// A token for each place, nil where the logits are not finite.
  private func drawAll(_ logits: Tensor, _ draw: DrawOptions, _ noise: DrawNoise, _ places: [Place]) -> [Int?]
  {
    var drawn = [Int?](repeating: nil, count: places.count)
    let v = logits.lastDimension
    drawn.withUnsafeMutableBufferPointer { drawn in
      guard let result = drawn.baseAddress else { return }
      device.forRanges(places.count) { range in
        for index in range {
          let row = UnsafeMutableBufferPointer(start: logits.pointer + index * v, count: v)
          result[index] = noise.draw(row, draw, at: places[index])
        }
      }
    }
    return drawn
  }
}
