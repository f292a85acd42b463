import Autograd
import NeuralNet
import TensorCore

/// Which dropout a forward pass applies, and the random numbers for it.
public struct DropoutPlan: Sendable {
  /// Rate on token embeddings, attention outputs and feed-forward outputs.
  public var rate: Float
  /// Rate at which class labels become "no class".
  public var classRate: Float
  /// The run's seed.
  public var seed: UInt64
  /// Optimiser step the masks belong to; each step draws its own.
  public var step: Int

  /// A plan for one optimiser step.
  public init(rate: Float, classRate: Float, seed: UInt64, step: Int) {
    (self.rate, self.classRate, self.seed, self.step) = (rate, classRate, seed, step)
  }

  /// A stream for one place in the network; there are fewer than 1024 places.
  public func random(place: Int) -> CounterRandom {
    CounterRandom(seed: seed, purpose: .dropout, index: UInt64(step) << 10 | UInt64(place))
  }

  /// The classes of a step, some of them replaced by "no class".
  public func dropped(_ labels: [Int], noClass: Int) -> [Int] {
    var random = CounterRandom(seed: seed, purpose: .classDropout, index: UInt64(step))
    return labels.map { random.uniform() < Double(classRate) ? noClass : $0 }
  }
}

/// LlamaGen's class-conditional transformer: a class embedding, then tokens in raster order; blocks of
/// x + attention(norm x) and x + feed-forward(norm x). One model for the autoregressive and coarse stages
/// (causal) and, with full attention, for the fine stage.
public final class Transformer {
  struct Block {
    let wqkv, wo, w1, w2, w3, attentionNorm, feedForwardNorm: Variable
  }

  public let configuration: TransformerConfiguration
  /// All parameters, in file order.
  public let store: ParameterStore
  let classTable: Variable
  let tokenTable: Variable
  let blocks: [Block]
  let finalNorm: Variable
  /// The output projection [V, C].
  public let output: Variable
  /// Cos and sin for the class position and every token, [1 + N, headSize / 2, 2].
  let rotation: Tensor

  /// Declares the parameters: normal with deviation 0.02, the output zero, norms one; unset without a seed,
  /// for a file to fill.
  public init(_ configuration: TransformerConfiguration, device: Device, seed: UInt64?) {
    precondition(configuration.problem == nil, "Transformer: \(configuration.problem ?? "")")
    self.configuration = configuration
    let store = ParameterStore(device: device, seed: seed)
    self.store = store
    let (c, h) = (configuration.width, configuration.feedForwardWidth)
    func matrix(_ name: String, _ rows: Int, _ columns: Int, hidden: Int = 1) -> Variable {
      store.declare(
        name + ".weight", [rows, columns], .normal(deviation: 0.02), hiddenMatrices: hidden)
    }
    classTable = matrix("cls_embedding.embedding_table", configuration.classCount + 1, c, hidden: 0)
    tokenTable = matrix("tok_embeddings", configuration.inputCodes, c, hidden: 0)
    blocks = (0..<configuration.layers).map { i in
      let name = "layers.\(i)."
      return Block(
        wqkv: matrix(name + "attention.wqkv", 3 * c, c, hidden: 3), wo: matrix(name + "attention.wo", c, c),
        w1: matrix(name + "feed_forward.w1", h, c), w2: matrix(name + "feed_forward.w2", c, h),
        w3: matrix(name + "feed_forward.w3", h, c),
        attentionNorm: store.declare(name + "attention_norm.weight", [c], .ones),
        feedForwardNorm: store.declare(name + "ffn_norm.weight", [c], .ones))
    }
    finalNorm = store.declare("norm.weight", [c], .ones)
    output = store.declare("output.weight", [configuration.vocabularySize, c], .zeros)
    rotation = RotaryTable.make(
      device: device, rows: configuration.gridRows, columns: configuration.gridColumns,
      headSize: configuration.headSize, base: configuration.ropeBase)
  }

  /// Hidden states [B, N, C] after the final norm; position i predicts token i.
  /// - Parameters:
  ///   - labels: a class each, `noClass` allowed.
  ///   - tokens: B * N tokens, raster order, image after image; the last of each is only a target.
  ///   - masks: the mask of each block, by its index.
  ///   - eachBlock: receives every block's index and output [B, N, C].
  public func hidden(
    _ tape: Tape, labels: [Int], tokens: [Int], masks: (Int) -> AttentionMask = { _ in .causal },
    dropout: DropoutPlan? = nil, eachBlock: (Int, Variable) -> Void = { _, _ in }
  ) -> Variable {
    let (b, n) = (labels.count, configuration.tokenCount)
    precondition(tokens.count == b * n, "Transformer: \(labels.count) labels, \(tokens.count) tokens of \(n)")
    let inputs = (0..<b).flatMap { tokens[$0 * n..<($0 + 1) * n - 1] }
    let x = embed(tape, labels: labels, inputs: inputs, dropout: dropout)
    return normalized(tape, run(tape, x, masks: masks, dropout: dropout, eachBlock: eachBlock))
  }

  /// What the first block reads, [B, 1 + n, C]: the class, then n input tokens of each image.
  /// - Parameter inputs: B * n tokens, image after image.
  public func embed(_ tape: Tape, labels: [Int], inputs: [Int], dropout: DropoutPlan? = nil) -> Variable {
    let labels = dropout?.dropped(labels, noClass: configuration.noClass) ?? labels
    var x = tape.embedding(labels, table: classTable)
    if inputs.isEmpty {
      x = tape.reshape(x, [labels.count, 1, configuration.width])
    } else {
      x = tape.prepend(x, to: tape.embedding(inputs, table: tokenTable))
    }
    guard let dropout else { return x }
    return tape.dropout(x, rate: dropout.rate, random: dropout.random(place: 0))
  }

  /// Runs the blocks over x [B, T, C].
  /// - Parameters:
  ///   - count: how many blocks to run; nil for all.
  ///   - masks: the mask of each block, by its index.
  ///   - eachBlock: receives every block's index and output [B, T, C].
  /// - Returns: the output of the last block that was run, before the final norm.
  public func run(
    _ tape: Tape, _ x: Variable, first count: Int? = nil, masks: (Int) -> AttentionMask,
    dropout: DropoutPlan? = nil,
    eachBlock: (Int, Variable) -> Void = { _, _ in }
  ) -> Variable {
    var x = x
    for (index, block) in blocks.prefix(count ?? blocks.count).enumerated() {
      x = apply(block, index: index, to: x, tape, mask: masks(index), dropout)
      eachBlock(index, x)
    }
    return x
  }

  /// The final norm, which precedes the output projection.
  public func normalized(_ tape: Tape, _ x: Variable) -> Variable {
    tape.rmsNorm(x, weight: finalNorm, epsilon: Float(configuration.normEpsilon))
  }

  /// Logits [B, N, V] of every position.
  public func logits(_ tape: Tape, labels: [Int], tokens: [Int]) -> Variable {
    tape.linear(hidden(tape, labels: labels, tokens: tokens), weight: output)
  }

  /// Mean cross-entropy of the tokens, without keeping the logits.
  public func loss(
    _ tape: Tape, labels: [Int], tokens: [Int], _ loss: any RowLoss, dropout: DropoutPlan? = nil
  ) -> CrossEntropyResult {
    self.loss(
      tape, hidden: hidden(tape, labels: labels, tokens: tokens, dropout: dropout), tokens: tokens, loss)
  }

  /// Mean cross-entropy of the tokens, from the hidden states [B, N, C] that predict them.
  public func loss(
    _ tape: Tape, hidden: Variable, tokens: [Int], _ loss: any RowLoss
  ) -> CrossEntropyResult {
    tape.linearCrossEntropy(hidden, weight: output, targets: tokens, loss)
  }

  private func apply(
    _ block: Block, index: Int, to x: Variable, _ tape: Tape, mask: AttentionMask, _ dropout: DropoutPlan?
  ) -> Variable {
    let epsilon = Float(configuration.normEpsilon)
    func added(_ update: Variable, to x: Variable, place: Int) -> Variable {
      guard let dropout else { return tape.add(x, update) }
      return tape.dropout(update, rate: dropout.rate, random: dropout.random(place: place), addedTo: x)
    }
    let normed = tape.rmsNorm(x, weight: block.attentionNorm, epsilon: epsilon)
    let attended = tape.attention(
      qkv: tape.linear(normed, weight: block.wqkv), heads: configuration.heads, rotation: rotation, mask: mask
    )
    let x = added(tape.linear(attended, weight: block.wo), to: x, place: 2 * index + 1)
    let update = tape.feedForward(
      tape.rmsNorm(x, weight: block.feedForwardNorm, epsilon: epsilon), gate: block.w1, up: block.w3,
      down: block.w2)
    return added(update, to: x, place: 2 * index + 2)
  }
}
