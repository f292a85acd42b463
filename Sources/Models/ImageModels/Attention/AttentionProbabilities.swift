import Autograd
import CKernels
import TensorCore

/// The attention of the queries of one block, [B, heads, T, T], query by key; T is the class position and all
/// tokens.
public struct AttentionProbabilities {
  /// The probabilities; every row sums to 1.
  public let values: Tensor

  /// Probabilities [B, heads, T, T].
  public init(_ values: Tensor) {
    precondition(
      values.shape.count == 4 && values.shape[2] == values.shape[3] && values.shape[2] > 1,
      "AttentionProbabilities: \(values.shape)")
    self.values = values
  }

  /// Images.
  public var imageCount: Int { values.shape[0] }
  /// Heads.
  public var headCount: Int { values.shape[1] }
  /// Tokens of an image.
  public var tokenCount: Int { values.shape[2] - 1 }

  /// The row of a query whose input is `token`: the weight on the class, then those on the tokens.
  public func row(image: Int, head: Int, token: Int) -> UnsafeBufferPointer<Float> {
    let t = tokenCount + 1
    precondition(
      (0..<imageCount).contains(image) && (0..<headCount).contains(head) && (0..<tokenCount).contains(token),
      "AttentionProbabilities: image \(image), head \(head), token \(token) of \(values.shape)")
    let row = (image * headCount + head) * t + 1 + token
    return UnsafeBufferPointer(start: values.pointer + row * t, count: t)
  }

  /// The weights on the tokens, as a query whose input is `token` has them; the mean over some heads.
  public func tokenWeights(image: Int, heads: [Int], token: Int) -> [Float] {
    var weights = [Float](repeating: 0, count: tokenCount)
    for head in heads {
      let row = row(image: image, head: head, token: token)
      for key in weights.indices { weights[key] += row[1 + key] / Float(heads.count) }
    }
    return weights
  }
}

extension Transformer {
  /// The attention of blocks while they read whole images, as in training: causal, without dropout.
  /// - Parameters:
  ///   - labels: a class each, `noClass` allowed.
  ///   - tokens: B * N tokens, image after image; all of them are read.
  ///   - layers: blocks, counted from 0.
  ///   - eachLayer: called with the blocks in order; one block's probabilities exist at a time.
  public func attention(
    labels: [Int], tokens: [Int], layers: Set<Int>, eachLayer: (Int, AttentionProbabilities) -> Void
  ) {
    precondition(
      tokens.count == labels.count * configuration.tokenCount,
      "attention: \(labels.count) labels, \(tokens.count) tokens of \(configuration.tokenCount)")
    let tape = Tape(device: store.device, isRecording: false)
    var input = embed(tape, labels: labels, inputs: tokens)
    func visit(_ layer: Int) {
      if layers.contains(layer) { eachLayer(layer, probabilities(tape, block: layer, input: input)) }
    }
    visit(0)
    let last = layers.max() ?? 0
    _ = run(tape, input, first: last, masks: { _ in .causal }) { layer, output in
      input = output
      visit(layer + 1)
    }
  }

  /// softmax(q k^T / sqrt(size)) of a block that reads `input` [B, T, C], each query seeing itself and those before it.
  func probabilities(_ tape: Tape, block: Int, input: Variable) -> AttentionProbabilities {
    let normed = tape.rmsNorm(
      input, weight: blocks[block].attentionNorm, epsilon: Float(configuration.normEpsilon))
    let qkv = tape.linear(normed, weight: blocks[block].wqkv).value
    let (b, t, heads, size) = (input.shape[0], input.shape[1], configuration.heads, configuration.headSize)
    let result = store.device.zeros([b, heads, t, t])
    let scratch = store.device.empty([store.device.threads.count, 2 * t * size])
    store.device.threads.forRanges(b * heads) { range, thread in
      let q = scratch.pointer + thread * 2 * t * size
      let k = q + t * size
      for unit in range {
        for (place, part) in [q, k].enumerated() {
          let first = place * heads * size + unit % heads * size
          copyRotated(from: qkv.pointer + unit / heads * t * qkv.lastDimension + first, length: t, into: part)
        }
        let scores = result.pointer + unit * t * t
        multiplySerially(
          m: t, n: t, k: size, MatrixOperand(q, stride: size),
          MatrixOperand(k, stride: size, transposed: true), into: scores, stride: t)
        for query in 0..<t {
          _ = tsr_softmax_row(scores + query * t, nil, 1 / Float(size).squareRoot(), query + 1, t)
        }
      }
    }
    return AttentionProbabilities(result)
  }

  /// One head's queries or keys out of rows of qkv, rotated to their positions: [length, size].
  private func copyRotated(
    from source: UnsafePointer<Float>, length: Int, into target: UnsafeMutablePointer<Float>
  ) {
    let size = configuration.headSize
    for position in 0..<length {
      let row = target + position * size
      row.update(from: source + position * 3 * configuration.width, count: size)
      tsr_rotate_pairs(row, rotation.pointer + position * size, 1, 1, size)
    }
  }
}
