import Autograd
import Glibc
import ImageModels
import NeuralNet
import TensorCore

/// VAR's class-conditional transformer, which predicts the grids of an image one after the other, each in one pass (VAR,
/// section 3.3): blocks of x + gate attention(AdaLN x) and x + gate feed-forward(AdaLN x), where the class chooses gates,
/// scales and shifts, and a position sees its own grid and the smaller ones.
///
/// The model holds the codebook and the convolutions of its tokenizer, since it reads sums of codes and not tokens.
public final class VARTransformer {
  struct Block {
    let qkv, queryBias, valueBias, projection, projectionBias, fc1, fc1Bias, fc2, fc2Bias: Variable
    /// A number a head; nil without queries of length 1.
    let logScale: Variable?
    /// The layer from the class to six rows of C, or what the block adds to the one that all share.
    let conditioning: (weight: Variable, bias: Variable)?
    let conditioningOffset: Variable?
  }

  public let configuration: VARConfiguration
  /// All trained parameters, in file order.
  public let store: ParameterStore
  /// The tokenizer's codebook and convolutions phi.
  public let frozen: ParameterStore
  /// The tokenizer's quantiser.
  public let quantizer: MultiScaleQuantizer
  let blocks: [Block]
  let classTable, wordWeight, wordBias: Variable
  let positions: ScalePositions
  let sharedConditioning: (weight: Variable, bias: Variable)?
  let headConditioning: (weight: Variable, bias: Variable)
  /// The output projection [V, C] and its bias.
  let output: (weight: Variable, bias: Variable)
  private let mask: [UInt8]

  /// Declares the parameters with VAR's starting distributions; unset without a seed, for a file to fill. The codebook and
  /// the convolutions are to be filled in any case.
  public init(_ configuration: VARConfiguration, device: Device, seed: UInt64?) {
    precondition(configuration.problem == nil, "VARTransformer: \(configuration.problem ?? "")")
    self.configuration = configuration
    store = ParameterStore(device: device, seed: seed)
    frozen = ParameterStore(device: device, seed: nil)
    quantizer = MultiScaleQuantizer(
      configuration.multiScale, codes: configuration.vocabularySize, dimension: configuration.codeDimension,
      in: frozen)
    let build = VARBuilder(configuration, store)
    let (c, scales) = (configuration.width, configuration.multiScale.scales)
    wordWeight = build.matrix("word_embed", c, configuration.codeDimension)
    wordBias = build.bias("word_embed", c)
    classTable = build.matrix("class_emb", configuration.classCount + 1, c)
    positions = ScalePositions(
      start: build.position("pos_start", [1, scales[0] * scales[0], c]),
      positions: build.position("pos_1LC", [1, configuration.tokenCount, c]),
      scales: build.position("lvl_embed.weight", [scales.count, c]),
      scaleOfPosition: configuration.scaleOfPosition)
    sharedConditioning = configuration.sharesConditioning ? build.layer("shared_ada_lin.1", 6 * c, c) : nil
    blocks = (0..<configuration.layers).map { build.block($0) }
    headConditioning = build.layer("head_nm.ada_lin.1", 2 * c, c, scaledBy: 0.5)
    output = build.layer("head", configuration.vocabularySize, c, scaledBy: 0.02)
    let scaleOf = configuration.scaleOfPosition
    mask = scaleOf.flatMap { (own: Int) -> [UInt8] in scaleOf.map { $0 <= own ? 1 : 0 } }
  }

  /// Takes over the codebook and the convolutions of a tokenizer.
  /// - Precondition: the tokenizer has the codes and the scales of this model.
  public func adopt(_ tokenizer: Tokenizer) {
    precondition(
      tokenizer.configuration.multiScale == configuration.multiScale
        && tokenizer.codebook.shape == [configuration.vocabularySize, configuration.codeDimension],
      "VARTransformer: a tokenizer of other sizes")
    for parameter in frozen.parameters {
      guard let own = tokenizer.store.parameters.first(where: { $0.name == parameter.name }) else {
        preconditionFailure("VARTransformer: no \(parameter.name)")
      }
      parameter.variable.value.copyElements(from: own.variable.value)
    }
  }

  // MARK: Forward

  /// Hidden states [B, L, C] after the last norm; position i predicts token i.
  /// - Parameters:
  ///   - labels: a class each, `noClass` allowed.
  ///   - tokens: B * L tokens, image after image, scale after scale; those of the last scale are only targets.
  ///   - dropout: dropping of classes, and of whole branches at the plan's rate, which rises over the blocks from 0.
  ///   - eachBlock: receives every block's index and output [B, L, C].
  public func hidden(
    _ tape: Tape, labels: [Int], tokens: [Int], dropout: DropoutPlan? = nil,
    eachBlock: (Int, Variable) -> Void = { _, _ in }
  ) -> Variable {
    precondition(
      tokens.count == labels.count * configuration.tokenCount,
      "VARTransformer: \(labels.count) labels, \(tokens.count) tokens")
    let labels = dropout?.dropped(labels, noClass: configuration.noClass) ?? labels
    let quiet = Tape(device: tape.device, isRecording: false)
    let inputs = Variable(quantizer.inputs(quiet, of: tokens))
    let classes = tape.embedding(labels, table: classTable)
    var x = positions.embed(
      tape, classes: classes, words: tape.linear(inputs, weight: wordWeight, bias: wordBias))
    let condition = self.condition(tape, classes)
    for (index, block) in blocks.enumerated() {
      x = apply(block, index, to: x, condition, tape, dropout)
      eachBlock(index, x)
    }
    return lastNorm(tape, x, condition)
  }

  /// Logits [B, L, V] of every position.
  public func logits(_ tape: Tape, labels: [Int], tokens: [Int]) -> Variable {
    logits(tape, hidden: hidden(tape, labels: labels, tokens: tokens))
  }

  func logits(_ tape: Tape, hidden: Variable) -> Variable {
    tape.linear(hidden, weight: output.weight, bias: output.bias)
  }

  /// Mean cross-entropy of the tokens of all scales, without keeping the logits.
  public func loss(
    _ tape: Tape, labels: [Int], tokens: [Int], _ loss: any RowLoss, dropout: DropoutPlan? = nil
  ) -> CrossEntropyResult {
    tape.linearCrossEntropy(
      hidden(tape, labels: labels, tokens: tokens, dropout: dropout), weight: output.weight,
      bias: output.bias,
      targets: tokens, loss)
  }

  // MARK: Parts, which drawing shares

  /// What the blocks are steered by.
  struct Condition {
    /// silu(class) [B, C].
    let activated: Variable
    /// Six rows of C for each image, where all blocks share the layer.
    let shared: Variable?
  }

  func condition(_ tape: Tape, _ classes: Variable) -> Condition {
    let activated = tape.silu(classes)
    return Condition(
      activated: activated,
      shared: sharedConditioning.map { tape.linear(activated, weight: $0.weight, bias: $0.bias) })
  }

  /// Gates of both branches, then their scales, then their shifts: [B, 6C].
  func modulation(_ tape: Tape, _ block: Block, _ condition: Condition) -> Variable {
    if let layer = block.conditioning {
      return tape.linear(condition.activated, weight: layer.weight, bias: layer.bias)
    }
    guard let shared = condition.shared, let offset = block.conditioningOffset else {
      preconditionFailure("VARTransformer: a block without conditioning")
    }
    return tape.addRow(shared, offset)
  }

  /// Queries, keys and values [B, T, 3C] of rows [B, T, C].
  func queriesKeysValues(_ tape: Tape, _ block: Block, _ x: Variable, _ modulation: Variable) -> Variable {
    let c = configuration.width
    let normed = tape.adaptiveNorm(
      x, scale: Modulation(modulation, at: 2 * c), shift: Modulation(modulation, at: 4 * c),
      epsilon: Float(configuration.normEpsilon))
    let qkv = tape.linear(
      normed, weight: block.qkv, bias: tape.queryValueBias(block.queryBias, block.valueBias))
    return block.logScale.map { tape.normalizeQueriesAndKeys(qkv, logScale: $0) } ?? qkv
  }

  /// What scores are multiplied by before the softmax: 1 where queries have a factor of their own, otherwise a quarter of
  /// the usual.
  var scoreScale: Float {
    configuration.normalizesQueries ? 1 : 0.25 / Float(configuration.headSize).squareRoot()
  }

  /// x + gate projection(attended), then x + gate feed-forward.
  func finish(
    _ tape: Tape, _ block: Block, _ x: Variable, attended: Variable, _ modulation: Variable,
    factors: (attention: [Float]?, feedForward: [Float]?) = (nil, nil)
  ) -> Variable {
    let c = configuration.width
    let x = tape.addGated(
      tape.linear(attended, weight: block.projection, bias: block.projectionBias), to: x,
      gate: Modulation(modulation, at: 0), factors: factors.attention)
    let normed = tape.adaptiveNorm(
      x, scale: Modulation(modulation, at: 3 * c), shift: Modulation(modulation, at: 5 * c),
      epsilon: Float(configuration.normEpsilon))
    let wide = tape.gelu(tape.linear(normed, weight: block.fc1, bias: block.fc1Bias))
    return tape.addGated(
      tape.linear(wide, weight: block.fc2, bias: block.fc2Bias), to: x, gate: Modulation(modulation, at: c),
      factors: factors.feedForward)
  }

  /// The norm before the output projection, steered by a layer of its own: scale, then shift.
  func lastNorm(_ tape: Tape, _ x: Variable, _ condition: Condition) -> Variable {
    let own = tape.linear(condition.activated, weight: headConditioning.weight, bias: headConditioning.bias)
    return tape.adaptiveNorm(
      x, scale: Modulation(own, at: 0), shift: Modulation(own, at: configuration.width),
      epsilon: Float(configuration.normEpsilon))
  }

  private func apply(
    _ block: Block, _ index: Int, to x: Variable, _ condition: Condition, _ tape: Tape,
    _ dropout: DropoutPlan?
  ) -> Variable {
    let modulation = self.modulation(tape, block, condition)
    let qkv = queriesKeysValues(tape, block, x, modulation)
    let attended = tape.attention(
      qkv: qkv, heads: configuration.heads, rotation: nil, mask: .visible(mask), scale: scoreScale)
    return finish(
      tape, block, x, attended: attended, modulation,
      factors: (
        branchFactors(dropout, index, place: 2 * index + 1, images: x.shape[0]),
        branchFactors(dropout, index, place: 2 * index + 2, images: x.shape[0])
      ))
  }

  /// Stochastic depth: 0 for an image whose branch is dropped, and 1 / (1 - rate) for the others.
  private func branchFactors(_ dropout: DropoutPlan?, _ index: Int, place: Int, images: Int) -> [Float]? {
    guard let dropout, dropout.rate > 0, index > 0 else { return nil }
    let rate = dropout.rate * Float(index) / Float(configuration.layers - 1)
    var random = dropout.random(place: place)
    return (0..<images).map { _ in random.uniform() < Double(rate) ? 0 : 1 / (1 - rate) }
  }
}

extension Tape {
  /// The bias of query, key and value, [3C]: a key has none.
  func queryValueBias(_ query: Variable, _ value: Variable) -> Variable {
    let c = query.value.count
    let y = device.zeros([3 * c])
    y.pointer.update(from: query.value.pointer, count: c)
    (y.pointer + 2 * c).update(from: value.value.pointer, count: c)
    return record(y, from: [query, value]) { [unowned self, query = query.slot, value = value.slot] dy in
      for (slot, place) in [(query, 0), (value, 2 * c)] {
        let gradient = device.empty(slot.shape)
        gradient.pointer.update(from: dy.pointer + place, count: c)
        accumulate(gradient, into: slot)
      }
    }
  }
}
