import CKernels
import TensorCore

/// Draws images token by token with a key-value cache. Every row of the batch is computed in an order of
/// its own, so the tokens of an image depend on its class, its seed and index, and on nothing else: not on
/// the batch it is drawn in.
public final class TokenGenerator {
  private struct PackedBlock {
    let wqkv, wo, w1, w2, w3: PackedLinear
    let attentionNorm, feedForwardNorm: Tensor
  }

  private let model: Transformer
  private let device: Device
  private let blocks: [PackedBlock]
  private let output: PackedLinear

  /// Packs the weights once; they are read in this layout at every position.
  public init(_ model: Transformer) {
    self.model = model
    let device = model.store.device
    self.device = device
    blocks = model.blocks.map { block in
      PackedBlock(
        wqkv: PackedLinear(block.wqkv.value, device), wo: PackedLinear(block.wo.value, device),
        w1: PackedLinear(block.w1.value, device), w2: PackedLinear(block.w2.value, device),
        w3: PackedLinear(block.w3.value, device), attentionNorm: block.attentionNorm.value,
        feedForwardNorm: block.feedForwardNorm.value)
    }
    output = PackedLinear(model.output.value, device)
  }

  /// Draws one image for each label.
  /// - Parameters:
  ///   - imageIndices: the number of each image in the whole run; keys its random stream.
  ///   - interrupted: asked at every position; true ends the batch early with nil.
  /// - Returns: tokens [B, N], raster order.
  public func generate(
    labels: [Int], imageIndices: [Int], guidance: Guidance, draw: DrawOptions, seed: UInt64,
    interrupted: () -> Bool = { false }
  ) -> [[Int]]? {
    precondition(
      labels.count == imageIndices.count
        && labels.allSatisfy { (0...model.configuration.noClass).contains($0) },
      "generate: \(labels.count) labels of \(model.configuration.classCount) classes, \(imageIndices.count) indices"
    )
    let n = model.configuration.tokenCount
    let lastGuided = guidance.lastGuided(of: n)
    let images = labels.count
    var randoms = imageIndices.map { CounterRandom(seed: seed, purpose: .sampling, index: UInt64($0)) }
    var tokens = [[Int]](repeating: [], count: images)
    var state = GenerationState(
      model.configuration, rows: lastGuided == nil ? images : 2 * images, device: device)
    for position in 0..<n {
      if interrupted() { return nil }
      if let lastGuided, position == lastGuided + 1 { state.rows = images }
      embed(labels, tokens, images: images, state)
      for (index, block) in blocks.enumerated() { apply(block, index, position, state) }
      normalize(state, model.finalNorm.value)
      output.apply(state.normed, rows: state.rows, into: state.logits)
      if state.rows > images {
        guide(state.logits, images: images, Float(guidance.scale(at: position, of: n)))
      }
      let uniforms = randoms.indices.map { randoms[$0].uniform() }
      let drawn = drawAll(state.logits, draw, uniforms)
      for image in 0..<images { tokens[image].append(drawn[image]) }
    }
    return tokens
  }

  /// Rows of the first half carry the classes, rows of the second half "no class".
  private func embed(_ labels: [Int], _ tokens: [[Int]], images: Int, _ state: GenerationState) {
    let c = model.configuration.width
    for row in 0..<state.rows {
      let source: UnsafeMutablePointer<Float>
      if let token = tokens[row % images].last {
        source = model.tokenTable.value.pointer + token * c
      } else {
        let label = row < images ? labels[row] : model.configuration.noClass
        source = model.classTable.value.pointer + label * c
      }
      (state.x.pointer + row * c).update(from: source, count: c)
    }
  }

  private func apply(_ block: PackedBlock, _ index: Int, _ position: Int, _ state: GenerationState) {
    let configuration = model.configuration
    normalize(state, block.attentionNorm)
    block.wqkv.apply(state.normed, rows: state.rows, into: state.qkv)
    attend(layer: index, position: position, state)
    block.wo.apply(state.attended, rows: state.rows, into: state.x, adding: true)
    normalize(state, block.feedForwardNorm)
    block.w1.apply(
      state.normed, rows: state.rows, into: state.both, stride: 2 * configuration.feedForwardWidth)
    block.w3.apply(
      state.normed, rows: state.rows, into: state.both, stride: 2 * configuration.feedForwardWidth,
      offset: configuration.feedForwardWidth)
    device.forRanges(state.rows) {
      let h = configuration.feedForwardWidth
      tsr_swiglu(
        state.gated.pointer + $0.lowerBound * h, state.both.pointer + $0.lowerBound * 2 * h, $0.count, h)
    }
    block.w2.apply(state.gated, rows: state.rows, into: state.x, adding: true)
  }

  private func normalize(_ state: GenerationState, _ weight: Tensor) {
    let c = model.configuration.width
    device.forRanges(state.rows) {
      tsr_rms_norm(
        state.normed.pointer + $0.lowerBound * c, state.inverse.pointer + $0.lowerBound,
        state.x.pointer + $0.lowerBound * c, weight.pointer, Float(model.configuration.normEpsilon), $0.count,
        c)
    }
  }

  private func attend(layer: Int, position: Int, _ state: GenerationState) {
    let (heads, size, c) = (
      model.configuration.heads, model.configuration.headSize, model.configuration.width
    )
    let length = model.configuration.tokenCount
    let angles = model.rotation.pointer + position * size
    device.threads.forRanges(state.rows * heads) { units, thread in
      for unit in units {
        let (row, head) = (unit / heads, unit % heads)
        let q = state.qkv.pointer + row * 3 * c + head * size
        tsr_rotate_pairs(q, angles, 1, 1, size)
        tsr_rotate_pairs(q + c, angles, 1, 1, size)
        let keys = state.keys[layer].pointer + unit * length * size
        let values = state.values[layer].pointer + unit * length * size
        (keys + position * size).update(from: q + c, count: size)
        (values + position * size).update(from: q + 2 * c, count: size)
        tsr_attend_one(
          state.attended.pointer + row * c + head * size, state.weights.pointer + thread * length, q, keys,
          values, 1 / Float(size).squareRoot(), position + 1, size)
      }
    }
  }

  private func guide(_ logits: Tensor, images: Int, _ scale: Float) {
    let v = logits.lastDimension
    device.forRanges(images) { range in
      for image in range {
        let (c, u) = (logits.pointer + image * v, logits.pointer + (images + image) * v)
        tsr_scale(c, scale, c, v)
        tsr_axpy(c, 1 - scale, u, v)
      }
    }
  }

  private func drawAll(_ logits: Tensor, _ draw: DrawOptions, _ uniforms: [Double]) -> [Int] {
    var drawn = [Int](repeating: 0, count: uniforms.count)
    let v = logits.lastDimension
    drawn.withUnsafeMutableBufferPointer { drawn in
      let result = drawn.baseAddress!
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

/// The buffers of a batch while it is drawn. Caches are [rows, heads, N, headSize], one a layer, so that a
/// head's keys are read in one run.
private struct GenerationState {
  var rows: Int
  let x, normed, qkv, attended, both, gated, logits, weights, inverse: Tensor
  let keys, values: [Tensor]

  init(_ c: TransformerConfiguration, rows: Int, device: Device) {
    self.rows = rows
    x = device.empty([rows, c.width])
    normed = device.empty([rows, c.width])
    qkv = device.empty([rows, 3 * c.width])
    attended = device.empty([rows, c.width])
    both = device.empty([rows, 2 * c.feedForwardWidth])
    gated = device.empty([rows, c.feedForwardWidth])
    logits = device.empty([rows, c.vocabularySize])
    weights = device.empty([device.threads.count, c.tokenCount])
    inverse = device.empty([rows])
    keys = (0..<c.layers).map { _ in device.empty([rows, c.width * c.tokenCount]) }
    values = (0..<c.layers).map { _ in device.empty([rows, c.width * c.tokenCount]) }
  }
}
