import Autograd
import ImageModels
import TensorCore

/// Draws images scale by scale with a cache of keys and values (VAR, section 3.3).
///
/// Each image is drawn by itself, in products whose parts are of one size, so that its tokens depend only on its class, its
/// seed and its index, and neither on its batch nor on the number of threads. The grids are large enough to keep the threads
/// busy.
public final class ScaleGenerator {
  private let model: VARTransformer
  private let device: Device
  private var configuration: VARConfiguration { model.configuration }

  /// Draws from a model.
  public init(_ model: VARTransformer) {
    self.model = model
    device = Device(sharingThreadsOf: model.store.device, productParts: .ofFixedSize)
  }

  /// Draws one image for each label.
  /// - Parameters:
  ///   - imageIndices: the number of each image in the whole run; keys its random stream.
  ///   - guidance: its scale runs over the scales of an image, where LlamaGen's runs over the positions.
  ///   - interrupted: asked before every scale; true ends the batch early with nil.
  /// - Returns: tokens [B, L], scale after scale.
  /// - Throws: `GenerationError`.
  public func generate(
    labels: [Int], imageIndices: [Int], guidance: Guidance, draw: DrawOptions, seed: UInt64,
    interrupted: () -> Bool = { false }
  ) throws -> [[Int]]? {
    precondition(
      labels.count == imageIndices.count && labels.allSatisfy { (0...configuration.noClass).contains($0) },
      "generate: labels \(labels), \(imageIndices.count) indices")
    var images: [[Int]] = []
    for (label, index) in zip(labels, imageIndices) {
      var random = CounterRandom(seed: seed, purpose: .sampling, index: UInt64(index))
      let tokens = try drawOne(label: label, guidance: guidance, interrupted: interrupted) {
        position, logits in
        guard let token = drawToken(logits, draw, uniform: random.uniform()) else {
          throw GenerationError.notFinite(image: index, position: position)
        }
        return token
      }
      guard let tokens else { return nil }
      images.append(tokens)
    }
    return images
  }

  /// One image; `choose` takes the guided logits of a position, which it may overwrite, and says the token.
  func drawOne(
    label: Int, guidance: Guidance, interrupted: () -> Bool = { false },
    choose: (_ position: Int, _ logits: UnsafeMutableBufferPointer<Float>) throws -> Int
  ) throws -> [Int]? {
    let tape = Tape(device: device, isRecording: false)
    let (scales, quantizer) = (configuration.multiScale.scales, model.quantizer)
    let isGuided = guidance.lastGuided(of: scales.count) != nil
    let pass = ScalePass(
      model, tape, labels: isGuided ? [label, configuration.noClass] : [label])
    var (tokens, sum): ([Int], Variable?) = ([], nil)
    for scale in scales.indices {
      if interrupted() { return nil }
      let input = sum.map { quantizer.input(tape, toScale: scale, from: $0) }
      let logits = guided(pass.advance(input), Float(guidance.scale(at: scale, of: scales.count)))
      let v = configuration.vocabularySize
      let drawn = try (0..<logits.rowCount).map { row in
        try choose(
          tokens.count + row, UnsafeMutableBufferPointer(start: logits.pointer + row * v, count: v))
      }
      tokens += drawn
      let part = quantizer.image(tape, of: drawn, count: 1, scale: scale)
      sum = sum.map { tape.add($0, part) } ?? part
    }
    return tokens
  }

  /// u + s (c - u) of logits [2, T, V], or those of one row [1, T, V] as they are.
  private func guided(_ logits: Tensor, _ scale: Float) -> Tensor {
    guard logits.shape[0] == 2 else { return logits.reshaped(Array(logits.shape.dropFirst())) }
    let half = logits.count / 2
    let y = device.empty(Array(logits.shape.dropFirst()))
    device.forRanges(half, grain: 4096) { range in
      for i in range { y.pointer[i] = scale * logits.pointer[i] + (1 - scale) * logits.pointer[half + i] }
    }
    return y
  }
}

/// An image on its way through the model: what the class sets, and the keys and values of the positions so far.
private final class ScalePass {
  private let model: VARTransformer
  private let tape: Tape
  private let classes: Variable
  private let condition: VARTransformer.Condition
  private let modulations: [Variable]
  /// Of each block, [R, L, C].
  private let keys, values: [Tensor]
  private var position = 0
  private var scale = 0

  /// - Parameter labels: R classes, which are rows of one image.
  init(_ model: VARTransformer, _ tape: Tape, labels: [Int]) {
    let c = model.configuration
    (self.model, self.tape) = (model, tape)
    let classes = tape.embedding(labels, table: model.classTable)
    let condition = model.condition(tape, classes)
    (self.classes, self.condition) = (classes, condition)
    modulations = model.blocks.map { model.modulation(tape, $0, condition) }
    let shape = [labels.count, c.tokenCount, c.width]
    keys = model.blocks.map { _ in tape.device.empty(shape) }
    values = model.blocks.map { _ in tape.device.empty(shape) }
  }

  /// Runs the next scale and gives its logits [R, T, V].
  /// - Parameter input: what the scales before make of it, [1, T, d]; nil for the first scale.
  func advance(_ input: Variable?) -> Tensor {
    let c = model.configuration
    let count = c.multiScale.scales[scale] * c.multiScale.scales[scale]
    var x = embed(input, count)
    for (index, block) in model.blocks.enumerated() {
      let qkv = model.queriesKeysValues(tape, block, x, modulations[index])
      store(qkv.value, in: index, count)
      let attended = tape.device.attend(
        queries: qkv.value, keys: keys[index], values: values[index], keyCount: position + count,
        heads: c.heads,
        scale: model.scoreScale)
      x = model.finish(tape, block, x, attended: Variable(attended), modulations[index])
    }
    position += count
    scale += 1
    return model.logits(tape, hidden: model.lastNorm(tape, x, condition)).value
  }

  /// The scale's positions, [R, T, C], alike in all rows but for the class of the first scale.
  private func embed(_ input: Variable?, _ count: Int) -> Variable {
    let (rows, c) = (classes.shape[0], model.configuration.width)
    let x = tape.device.empty([rows, count, c])
    let words = input.map { tape.linear($0, weight: model.wordWeight, bias: model.wordBias).value }
    for row in 0..<rows {
      let target = x.pointer + row * count * c
      if let words {
        target.update(from: words.pointer, count: count * c)
      } else {
        for place in 0..<count {
          (target + place * c).update(from: classes.value.pointer + row * c, count: c)
        }
        model.positions.addStart(to: target)
      }
      model.positions.add(to: target, position..<position + count)
    }
    return Variable(x)
  }

  private func store(_ qkv: Tensor, in block: Int, _ count: Int) {
    let (c, length) = (model.configuration.width, model.configuration.tokenCount)
    for row in 0..<qkv.shape[0] {
      for place in 0..<count {
        let source = qkv.pointer + (row * count + place) * 3 * c
        let target = (row * length + position + place) * c
        (keys[block].pointer + target).update(from: source + c, count: c)
        (values[block].pointer + target).update(from: source + 2 * c, count: c)
      }
    }
  }
}
