import Autograd
import Codebooks
import ImageModels
import NeuralNet
import TensorCore

/// CTF's second stage: a transformer of full attention that reads the class and the coarse labels of all
/// positions, and gives all positions at once a distribution over the fine codes. The position that carries a
/// coarse label predicts the fine code behind it; the class position predicts nothing.
public final class FineModel {
  /// Embeds coarse labels (`tok_embeddings`) and predicts fine codes (`output`).
  public let transformer: Transformer
  /// The coarse label of each fine code.
  public let fineToCoarse: [Int]
  /// Whether a position's distribution is over the codes of its coarse label only, or over all.
  public let isMasked: Bool
  /// The sets over which the distributions are: the clusters, or one set of all codes.
  let clusters: GroupedItems
  /// The number of each code within its set.
  public let ranks: [Int]

  /// - Precondition: the mapping has the transformer's numbers of codes.
  public init(_ transformer: Transformer, fineToCoarse: [Int], isMasked: Bool) {
    let sizes = transformer.configuration
    precondition(
      fineToCoarse.count == sizes.vocabularySize && fineToCoarse.allSatisfy { $0 < sizes.inputCodes },
      "FineModel: \(fineToCoarse.count) codes for \(sizes.inputCodes) labels and \(sizes.vocabularySize) codes"
    )
    (self.transformer, self.fineToCoarse, self.isMasked) = (transformer, fineToCoarse, isMasked)
    clusters =
      isMasked
      ? GroupedItems(fineToCoarse, count: sizes.inputCodes)
      : GroupedItems([Int](repeating: 0, count: fineToCoarse.count), count: 1)
    ranks = clusters.ranks
  }

  public var configuration: TransformerConfiguration { transformer.configuration }
  /// All parameters, in file order.
  public var store: ParameterStore { transformer.store }

  /// Hidden states [B, N, C] after the final norm; position i predicts fine code i.
  /// - Parameters:
  ///   - labels: a class each, `noClass` allowed.
  ///   - coarse: B * N coarse labels, raster order, image after image.
  public func hidden(_ tape: Tape, labels: [Int], coarse: [Int], dropout: DropoutPlan? = nil) -> Variable {
    precondition(
      coarse.count == labels.count * configuration.tokenCount,
      "FineModel: \(labels.count) classes, \(coarse.count) coarse labels of \(configuration.tokenCount)")
    let x = transformer.embed(tape, labels: labels, inputs: coarse, dropout: dropout)
    let y = transformer.run(tape, x, masks: { _ in .full }, dropout: dropout)
    return tape.removeFirst(transformer.normalized(tape, y))
  }

  /// Mean cross-entropy of B * N fine codes given their coarse labels, -log p(T_i | C) (CTF 4.2.2).
  public func loss(
    _ tape: Tape, labels: [Int], tokens: [Int], _ loss: any RowLoss, dropout: DropoutPlan? = nil
  ) -> CrossEntropyResult {
    precondition(
      loss.additionalTerm == nil, "FineModel: the cluster of a fine code is given, and has no loss")
    let coarse = tokens.map { fineToCoarse[$0] }
    return tape.withinClusterCrossEntropy(
      hidden(tape, labels: labels, coarse: coarse, dropout: dropout), weight: transformer.output,
      targets: tokens, clusters: clusters, loss: loss)
  }

  /// Logits of positions, set of codes by set of codes; no other logit is computed.
  /// - Parameters:
  ///   - hidden: [R, C].
  ///   - coarse: the R positions' coarse labels.
  ///   - body: receives positions that share a set, the set's codes, and logits [positions, codes] to overwrite.
  public func forEachCluster(
    _ hidden: Tensor, coarse: [Int], on device: Device,
    _ body: (_ positions: ArraySlice<Int>, _ codes: ArraySlice<Int>, _ logits: Tensor) throws -> Void
  ) rethrows {
    let groups = GroupedItems(isMasked ? coarse : coarse.map { _ in 0 }, count: clusters.count)
    for cluster in 0..<groups.count where !groups[cluster].isEmpty {
      let codes = clusters[cluster]
      // If a mapping has empty clusters, a coarse label can be drawn that no code has. All codes then take
      // its place.
      let choice = codes.isEmpty ? ArraySlice(fineToCoarse.indices) : codes
      let weight = Rows(choice, of: transformer.output.value, device)
      for positions in groups[cluster].blocks(of: max(1, Self.logitFloats / choice.count)) {
        let logits = device.empty([positions.count, choice.count])
        Rows(positions, of: hidden, device).multiply(weight, into: logits, on: device)
        try body(positions, choice, logits)
      }
    }
  }

  /// Largest number of logits in memory at a time.
  private static let logitFloats = 4 << 20
}

/// Some rows of a matrix: in place if they are neighbours, otherwise copied.
private struct Rows {
  let count: Int
  let width: Int
  let memory: Tensor
  let first: Int

  /// - Parameter indices: ascending.
  init(_ indices: ArraySlice<Int>, of x: Tensor, _ device: Device) {
    (count, width) = (indices.count, x.lastDimension)
    if let low = indices.first, let high = indices.last, high - low == indices.count - 1 {
      (memory, first) = (x, low)
      return
    }
    (memory, first) = (device.empty([count, width]), 0)
    for (place, index) in indices.enumerated() {
      (memory.pointer + place * width).update(from: x.pointer + index * width, count: width)
    }
  }

  var operand: MatrixOperand { MatrixOperand(memory.pointer + first * width, stride: width) }

  /// y = self other^T.
  func multiply(_ other: Rows, into y: Tensor, on device: Device) {
    // The operands must live until here: the product allocates memory and could otherwise get that of an
    // operand.
    withExtendedLifetime((self, other, y)) {
      device.multiply(
        m: count, n: other.count, k: width, operand, other.operand.asTransposed, into: y.pointer,
        stride: other.count)
    }
  }
}

extension ArraySlice {
  /// Successive parts of `size` elements, the last with what is left.
  fileprivate func blocks(of size: Int) -> [ArraySlice] {
    stride(from: startIndex, to: endIndex, by: size).map { self[$0..<Swift.min($0 + size, endIndex)] }
  }
}
