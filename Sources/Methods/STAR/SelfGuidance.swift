import Autograd
import ImageModels
import NeuralNet
import StreamFormat
import TensorCore

/// Self-guided training for autoregressive models (ST-AR, section 3.3): the token loss of a student that
/// cannot attend to all tokens, the distance of its last features to a teacher's, and two contrasts of its
/// middle features with the teacher's, between positions and between views. The teacher is the moving average
/// of the student. It attends to all tokens, is given the class, and gets no gradient. `TransformerTask` runs
/// the training.
///
/// A batch holds two views of each image, one after the other: sequence 2 b + m is view m of image b.
public final class SelfGuidance {
  /// The model's parameters, then the projector's.
  public let store: ParameterStore
  private let student: Transformer
  let teacher: Transformer
  private let average: MovingAverage
  private let projector: Projector
  private let options: Options
  private let seed: UInt64

  /// Views of each image in a batch: M in the paper, which uses 2.
  public static let viewCount = 2

  /// A teacher that starts as the student is now, and a projector.
  /// - Parameter seed: of hidden tokens and contrast positions.
  public init(_ student: Transformer, options: Options, seed: UInt64) {
    let configuration = student.configuration
    precondition(
      (1...configuration.layers).contains(options.contrastLayer)
        && (!options.contrasts || options.contrastPositions <= configuration.tokenCount),
      "SelfGuidance: block \(options.contrastLayer), \(options.contrastPositions) positions")
    (self.student, self.options, self.seed) = (student, options, seed)
    teacher = Transformer(configuration, device: student.store.device, seed: nil)
    average = MovingAverage(student.store, into: teacher.store, decay: options.teacherDecay)
    store = ParameterStore(extending: student.store)
    projector = Projector(
      store, width: configuration.width, hiddenWidth: options.projectorWidth,
      layers: options.contrasts ? options.projectorLayers : 0)
  }

  /// A batch with two views per image.
  public struct Batch {
    /// Class of each sequence.
    public var labels: [Int]
    /// Tokens, sequence after sequence.
    public var tokens: [Int]
    /// Number of the first image in the endless run of epochs.
    public var firstPlace: Int
    /// The optimiser step, from 0.
    public var step: Int

    public init(labels: [Int], tokens: [Int], firstPlace: Int, step: Int) {
      (self.labels, self.tokens, self.firstPlace, self.step) = (labels, tokens, firstPlace, step)
    }
  }

  /// The loss (equation 8) as a scalar for the backward pass, and its terms for the log.
  public func loss(
    _ tape: Tape, _ batch: Batch, _ crossEntropy: any RowLoss, dropout: DropoutPlan
  ) -> (loss: Variable, values: [String: Double]) {
    let rows = contrastRows(batch)
    // The teacher runs first, because it keeps little memory, and the student can reuse the rest.
    let target = teacherFeatures(batch, rows: rows)
    let keys = HiddenKeys(
      sequences: batch.firstPlace * Self.viewCount..<batch.firstPlace * Self.viewCount + batch.labels.count,
      length: student.configuration.tokenCount, ratio: options.maskRatio,
      blocks: options.masksEachBlock ? student.configuration.layers : 1, seed: seed)
    let (hidden, own) = pass(student, tape, batch, rows: rows, masks: keys.mask(block:), dropout: dropout)
    let tokens = student.loss(tape, hidden: hidden, tokens: batch.tokens, crossEntropy)
    var terms = [(term: tokens.loss, weight: Float(1))]
    var values = ["token_loss": tokens.tokenLoss]
    if let term = crossEntropy.additionalTerm { values[term.name] = tokens.additionalLoss }
    for (loss, term, weight) in guidance(tape, own, target, images: batch.labels.count / Self.viewCount) {
      terms.append((term, weight))
      values[loss.rawValue + "_loss"] = Double(term.value.scalar)
    }
    let loss = tape.weightedSum(terms)
    values["loss"] = Double(loss.value.scalar)
    return (loss, values)
  }

  /// Moves the teacher towards the student.
  public func finishStep(optimizer: Optimizer) {
    average.update(decay: options.decay(afterSteps: optimizer.stepCount))
  }
}

// MARK: Features and their losses

extension SelfGuidance {
  /// The features of a forward pass that the losses need.
  private struct Features {
    /// The last block's output [2B, T, C].
    var last: Variable?
    /// Rows [2 K B, C] of the contrasted block's output.
    var contrasted: Variable?
  }

  private func teacherFeatures(_ batch: Batch, rows: [Int]) -> Features {
    if options.losses.isEmpty { return Features() }
    let tape = Tape(device: store.device, isRecording: false)
    return pass(teacher, tape, batch, rows: rows, masks: { _ in .causal }, dropout: nil).kept
  }

  /// The states [2B, T, C] that predict the tokens, and the features that the losses compare.
  private func pass(
    _ model: Transformer, _ tape: Tape, _ batch: Batch, rows: [Int], masks: (Int) -> AttentionMask,
    dropout: DropoutPlan?
  ) -> (hidden: Variable, kept: Features) {
    var kept = Features()
    let (last, contrasted) = (model.configuration.layers - 1, options.contrastLayer - 1)
    func keep(_ block: Int, _ x: Variable) {
      if block == contrasted && options.contrasts {
        let table = tape.reshape(x, [x.value.rowCount, x.value.lastDimension])
        kept.contrasted = tape.embedding(rows, table: table)
      }
      if block == last && options.losses.contains(.masked) { kept.last = x }
    }
    let hidden = model.hidden(
      tape, labels: batch.labels, tokens: batch.tokens, masks: masks, dropout: dropout, eachBlock: keep)
    return (hidden, kept)
  }

  /// The losses that are on, with their weights.
  private func guidance(
    _ tape: Tape, _ own: Features, _ target: Features, images: Int
  ) -> [(loss: SelfGuidedLoss, term: Variable, weight: Float)] {
    var terms: [(loss: SelfGuidedLoss, term: Variable, weight: Float)] = []
    if let last = own.last, let teacher = target.last {
      terms.append((.masked, tape.cosineDistance(last, to: teacher.value), options.maskedWeight))
    }
    guard let contrasted = own.contrasted, let teacher = target.contrasted else { return terms }
    let shape = [Self.viewCount * options.contrastPositions, images, student.configuration.width]
    func compared(_ tape: Tape, _ x: Variable) -> Variable {
      tape.reshape(options.normalizesFeatures ? tape.l2Normalize(x) : x, shape)
    }
    let queries = compared(tape, projector.apply(tape, to: contrasted))
    let keys = compared(Tape(device: tape.device, isRecording: false), teacher).value
    for loss in [SelfGuidedLoss.step, .view] where options.losses.contains(loss) {
      let pairs = Self.pairs(loss, positions: options.contrastPositions)
      let term = tape.infoNCE(queries, keys: keys, pairs: pairs, temperature: options.contrastTemperature)
      let count = options.sumsContrast ? Float(pairs.count) : 1
      terms.append((loss, count == 1 ? term : tape.weightedSum([(term, count)]), options.contrastWeight / 2))
    }
    return terms
  }

  /// Groups of features are numbered view * K + position. L_step pairs the positions of a view, L_view the
  /// views of a position; no group is paired with itself.
  static func pairs(_ loss: SelfGuidedLoss, positions: Int) -> [ContrastPair] {
    let groups = 0..<viewCount * positions
    return groups.flatMap { query in
      groups.compactMap { key in
        let (sameView, samePosition) = (
          query / positions == key / positions, query % positions == key % positions
        )
        let isPair = loss == .step ? sameView && !samePosition : samePosition && !sameView
        return isPair ? ContrastPair(query: query, key: key) : nil
      }
    }
  }

  /// Where the features of each group are, image after image, among the rows of [2B, T, C]: at K positions
  /// that are drawn in each step.
  private func contrastRows(_ batch: Batch) -> [Int] {
    let length = student.configuration.tokenCount
    var random = CounterRandom(seed: seed, purpose: .contrastPositions, index: UInt64(batch.step))
    let positions = random.permutation(length).prefix(options.contrastPositions)
    return (0..<Self.viewCount).flatMap { view in
      positions.flatMap { position in
        stride(from: view, to: batch.labels.count, by: Self.viewCount).map { $0 * length + position }
      }
    }
  }
}

// MARK: Checkpoints

extension SelfGuidance {
  /// The teacher; the projector is among the parameters, and masks and positions follow from the seed.
  public var state: [StoredTensor] { teacher.store.storedTensors(prefix: "task.teacher.") }

  /// Restores the teacher.
  public func restore(_ record: Record) throws { try teacher.store.load(record, prefix: "task.teacher.") }
}
