import Autograd
import Datasets
import Glibc
import IAR
import ImageModels
import LlamaGen
import NeuralNet
@testable import STAR
import TensorCore
import Testing
import TestSupport

/// Self-guided training against its equations, and what it promises of the teacher and of the baseline.
@Suite struct SelfGuidanceTests {
  let device = Device(threadCount: 2)
  static let sizes = TinyTransformer.sizes

  func options(_ change: (inout SelfGuidance.Options) -> Void = { _ in }) -> SelfGuidance.Options {
    var options = SelfGuidance.Options(Self.sizes)
    options.contrastPositions = 3
    change(&options)
    return options
  }

  static let still = DropoutPlan(rate: 0, classRate: 0, seed: 0, step: 0)

  /// Two views of each of four images.
  func batch(step: Int = 0) -> SelfGuidance.Batch {
    var order = DataOrder(items: Array(0..<12), seed: 9)
    let (labels, tokens) = TinyTransformer().data.batch(order.pairs(first: 4 * step, count: 4, viewCount: 2))
    return SelfGuidance.Batch(labels: labels, tokens: tokens, firstPlace: 4 * step, step: step)
  }

  /// A model whose output layer is not zero, so that everything has a gradient.
  func student(moved: Double = 0.05) -> Transformer {
    let model = TinyTransformer().model(device)
    for (index, parameter) in model.store.parameters.enumerated() {
      let value = parameter.variable.value
      for (i, x) in normals(value.count, UInt64(600 + index), deviation: moved).enumerated() {
        value.pointer[i] += x
      }
    }
    return model
  }

  /// Moves the student away from its teacher, as training would.
  func move(_ model: Transformer) {
    for (index, parameter) in model.store.parameters.enumerated() {
      let value = parameter.variable.value
      for (i, x) in normals(value.count, UInt64(700 + index), deviation: 0.05).enumerated() {
        value.pointer[i] += x
      }
    }
  }

  // MARK: The losses

  /// A block's outputs, [sequence][position], without masks.
  func features(_ model: Transformer, _ batch: SelfGuidance.Batch, block: Int) -> [[[Double]]] {
    var result: [[[Double]]] = []
    func keep(_ index: Int, _ x: Variable) {
      guard index == block else { return }
      let (values, t, c) = (x.value.toArray().map(Double.init), x.shape[1], x.shape[2])
      for s in 0..<x.shape[0] {
        result.append((0..<t).map { Array(values[((s * t + $0) * c)..<((s * t + $0 + 1) * c)]) })
      }
    }
    _ = model.hidden(
      Tape(device: device, isRecording: false), labels: batch.labels, tokens: batch.tokens, eachBlock: keep)
    return result
  }

  func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
  func unit(_ x: [Double]) -> [Double] { x.map { $0 / dot(x, x).squareRoot() } }

  /// Equations 4, 6 and 7 with loops over b, m, i, j, k and v as printed, means for sums, and the logarithm.
  func exact(_ own: Transformer, _ teacher: Transformer, _ batch: SelfGuidance.Batch, seed: UInt64) -> (
    masked: Double, step: Double, view: Double
  ) {
    var random = CounterRandom(seed: seed, purpose: .contrastPositions, index: UInt64(batch.step))
    let chosen = Array(random.permutation(6).prefix(3))
    let last = (features(own, batch, block: 1), features(teacher, batch, block: 1))
    let middle = (features(own, batch, block: 0), features(teacher, batch, block: 0))
    func z(_ b: Int, _ m: Int, _ i: Int) -> [Double] { unit(middle.0[2 * b + m][chosen[i]]) }
    func h(_ b: Int, _ m: Int, _ i: Int) -> [Double] { unit(middle.1[2 * b + m][chosen[i]]) }
    func term(_ query: [Double], _ key: (Int) -> [Double], _ b: Int) -> Double {
      let quotients = (0..<4).map { exp(dot(query, key($0)) / 0.2) }
      return -log(quotients[b] / quotients.reduce(0, +))
    }
    var (masked, step, view) = (0.0, [Double](), [Double]())
    for s in 0..<8 { for t in 0..<6 { masked += 1 - dot(unit(last.0[s][t]), unit(last.1[s][t])) } }
    for b in 0..<4 {
      for m in 0..<2 {
        for i in 0..<3 { for j in 0..<3 where j != i { step.append(term(z(b, m, i), { h($0, m, j) }, b)) } }
      }
      for i in 0..<2 {
        for j in 0..<2 where j != i { for k in 0..<3 { view.append(term(z(b, i, k), { h($0, j, k) }, b)) } }
      }
    }
    return (
      masked / 48, step.reduce(0, +) / Double(step.count), view.reduce(0, +) / Double(view.count)
    )
  }

  @Test(arguments: [0, 3]) func lossesAreTheEquations(step: Int) throws {
    let (model, teacher) = (student(), student())
    let guidance = SelfGuidance(
      model, options: options { ($0.maskRatio, $0.projectorLayers) = (0, 0) }, seed: 5)
    move(model)
    let batch = batch(step: step)
    let (loss, values) = guidance.loss(
      Tape(device: device), batch, ClusterLoss(clusterSize: 4), dropout: Self.still)
    let expected = exact(model, teacher, batch, seed: 5)
    let pairs = [
      ("masked_loss", expected.masked), ("step_loss", expected.step), ("view_loss", expected.view),
    ]
    for (name, exact) in pairs {
      let value = try #require(values[name])
      #expect(abs(value - exact) < 1e-4, "\(name): \(value), exactly \(exact)")
    }
    #expect(expected.masked > 0.01)
    #expect(abs(expected.step - expected.view) > 1e-3, "the two contrasts can be told apart")
    let tokens = model.loss(
      Tape(device: device, isRecording: false), labels: batch.labels, tokens: batch.tokens,
      ClusterLoss(clusterSize: 4))
    let contrast: Double = 0.25 * (expected.step + expected.view)
    let total: Double = tokens.tokenLoss + tokens.clusterLoss + expected.masked + contrast
    #expect(abs(Double(loss.value.scalar) - total) < 1e-4)
    #expect(values["token_loss"] == tokens.tokenLoss && values["cluster_loss"] == tokens.clusterLoss)
  }

  @Test func sumsAreTheTermsTimesTheirNumber() throws {
    let model = student()
    func run(_ sums: Bool) -> [String: Double] {
      let guidance = SelfGuidance(model, options: options { $0.sumsContrast = sums }, seed: 5)
      return guidance.loss(Tape(device: device), batch(), TokenLoss(), dropout: Self.still).values
    }
    let (mean, sum) = (run(false), run(true))
    // M K (K - 1) = 12 and M (M - 1) K = 6 terms an image.
    for (name, count) in [("step_loss", 12.0), ("view_loss", 6.0)] {
      let (all, one) = (try #require(sum[name]), try #require(mean[name]))
      #expect(abs(all / one - count) < 1e-5)
    }
  }

  @Test func pairsOfTwoPositions() {
    func named(_ loss: SelfGuidedLoss) -> [[Int]] {
      SelfGuidance.pairs(loss, positions: 2).map { [$0.query, $0.key] }
    }
    #expect(named(.step) == [[0, 1], [1, 0], [2, 3], [3, 2]])
    #expect(named(.view) == [[0, 2], [1, 3], [2, 0], [3, 1]])
  }

  /// The whole loss along random directions in the space of all parameters, masks and projector included.
  @Test(arguments: [[SelfGuidedLoss.masked], [.step], [.view], [.masked, .step, .view]], [true, false])
  func gradients(losses: [SelfGuidedLoss], normalizes: Bool) throws {
    let model = student()
    let guidance = SelfGuidance(
      model,
      options: options {
        ($0.losses, $0.normalizesFeatures, $0.masksEachBlock) = (losses, normalizes, normalizes)
        ($0.projectorWidth, $0.maskedWeight, $0.contrastWeight) = (24, 5, 5)
      }, seed: 5)
    move(model)
    let tape = Tape(device: device)
    tape.backward(from: guidance.loss(tape, batch(), TokenLoss(), dropout: Self.still).loss)
    let parameters = guidance.store.parameters.map(\.variable)
    let gradients = try parameters.map { try #require($0.gradient).toArray() }
    let norm = gradients.joined().reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    for direction in 0..<3 {
      let moves = parameters.enumerated().map { normals($1.value.count, UInt64(800 + 100 * direction + $0)) }
      func value(_ amount: Float) -> Double {
        for (p, d) in zip(parameters, moves) { for i in d.indices { p.value.pointer[i] += amount * d[i] } }
        defer {
          for (p, d) in zip(parameters, moves) { for i in d.indices { p.value.pointer[i] -= amount * d[i] } }
        }
        let still = Tape(device: device, isRecording: true)
        return Double(
          guidance.loss(still, batch(), TokenLoss(), dropout: Self.still).loss.value.scalar)
      }
      let measured = (value(1e-3) - value(-1e-3)) / 2e-3
      var predicted = 0.0
      for (gradient, move) in zip(gradients, moves) {
        for i in move.indices { predicted += Double(gradient[i]) * Double(move[i]) }
      }
      #expect(abs(measured - predicted) <= 2e-2 * norm, "\(measured), predicted \(predicted), norm \(norm)")
    }
  }

  // MARK: The teacher

  @Test func theTeacherTakesNoGradientAndSeesNoMask() throws {
    let model = student()
    let guidance = SelfGuidance(model, options: options { $0.maskRatio = 0.6 }, seed: 5)
    let tape = Tape(device: device)
    let plan = DropoutPlan(rate: 0.3, classRate: 0.5, seed: 1, step: 0)
    tape.backward(from: guidance.loss(tape, batch(), TokenLoss(), dropout: plan).loss)
    #expect(guidance.teacher.store.parameters.allSatisfy { $0.variable.gradient == nil })
    #expect(guidance.store.parameters.allSatisfy { $0.variable.gradient != nil })
    // Equal weights: only mask and dropout keep the student from the teacher.
    func distance(_ ratio: Double) throws -> Double {
      let guidance = SelfGuidance(model, options: options { $0.maskRatio = ratio }, seed: 5)
      let values = guidance.loss(Tape(device: device), batch(), TokenLoss(), dropout: Self.still)
        .values
      return try #require(values["masked_loss"])
    }
    let (none, much) = (try distance(0), try distance(0.6))
    #expect(abs(none) < 1e-6)
    #expect(much > 1e-4)
  }

  /// After n steps: prod d_i theta_0 + sum_i (1 - d_i) prod_(j > i) d_j theta_i.
  @Test(arguments: [(Float(0.9999), 10), (0.5, 10), (0.9, 1)])
  func theTeacherIsTheClosedFormAverage(decay: Float, warmup: Int) throws {
    let guided = options { ($0.teacherDecay, $0.teacherWarmup) = (decay, warmup) }
    let run = try Run(TinyTransformer(guidance: guided), steps: 9, averageDecay: 0, checkpointEvery: 1)
    let start = TinyTransformer().model(device).store.parameters.map { $0.variable.value.toArray() }
    _ = try run.loop.run()
    let names = TinyTransformer().model(device).store.parameters.map(\.name)
    #expect(run.checkpoints.count == 9)
    let series =
      try [start]
      + run.checkpoints.map { record in
        try names.map { try record.tensor("parameter." + $0).floats() }
      }
    let decays = (1...9).map { min(Double(decay), Double(1 + $0) / Double(warmup + $0)) }
    for (index, name) in names.enumerated() {
      var exact = [Double](repeating: 0, count: start[index].count)
      for (i, values) in series.enumerated() {
        let later = decays[i...].reduce(1, *)
        let weight = i == 0 ? later : (1 - decays[i - 1]) * later
        for (j, value) in values[index].enumerated() { exact[j] += weight * Double(value) }
      }
      let teacher = try run.checkpoints[8].tensor("task.teacher." + name).floats()
      expectClose(teacher, exact.map(Float.init), relativeToLargest: 40 * unitRoundoff, name)
    }
    #expect(series[9] != series[0])
  }

  // MARK: The baseline

  /// Without the losses, or with weights of 0, and without masks: byte for byte what AdamW makes of the token loss of
  /// the same sequences in the same order.
  @Test(arguments: [[], SelfGuidedLoss.allCases], [Float(0), 0.1])
  func weightsOfZeroAreTheBaseline(losses: [SelfGuidedLoss], dropout: Float) throws {
    let guided = options {
      ($0.losses, $0.maskRatio, $0.maskedWeight, $0.contrastWeight) = (losses, 0, 0, 0)
    }
    let tiny = TinyTransformer(dropout: dropout, heldOut: 0, guidance: guided)
    let run = try Run(tiny, steps: 8, averageDecay: 0)
    _ = try run.loop.run()

    let (model, data) = (tiny.model(device), tiny.data)
    var constants = Optimizer.Options()
    constants.weightDecay = 0.01
    let optimizer = Optimizer(model.store, options: constants)
    let schedule = LearningRateSchedule(
      shape: .cosine, peak: tiny.learningRate, warmupSteps: 2, totalSteps: 8)
    var order = DataOrder(items: Array(0..<12), seed: 7)
    for step in 0..<8 {
      let (labels, tokens) = data.batch(order.pairs(first: 5 * step, count: 5, viewCount: 2))
      let tape = Tape(device: device)
      let loss = model.loss(
        tape, labels: labels, tokens: tokens, ClusterLoss(clusterSize: 4),
        dropout: DropoutPlan(rate: dropout, classRate: dropout, seed: 7, step: step))
      tape.backward(from: loss.loss)
      optimizer.step(
        learningRate: Float(schedule.rate(at: step)), gradientNorm: optimizer.gradientNorm())
    }
    let names = model.store.parameters.map(\.name)
    #expect(run.task.store.parameters.map(\.name).starts(with: names), "the projector comes after the model")
    for (index, parameter) in model.store.parameters.enumerated() {
      #expect(parameter.variable.value.toArray() == run.parameters[index], "\(parameter.name)")
    }
  }

  @Test func maskedRunsDifferFromTheBaseline() throws {
    func parameters(_ ratio: Double) throws -> [[Float]] {
      let guided = options { ($0.losses, $0.maskRatio) = ([], ratio) }
      let run = try Run(TinyTransformer(guidance: guided), steps: 2)
      _ = try run.loop.run()
      return run.parameters
    }
    #expect(try parameters(0) != parameters(0.4))
  }

  /// Masks belong to sequences, not to batches: parts of a batch add up to it. (Contrasts do not: their negatives are
  /// the images of the part.)
  @Test func accumulationAddsUpToTheBatch() throws {
    func gradients(parts: Int) throws -> [[Float]] {
      let guided = options { ($0.losses, $0.maskRatio) = ([.masked], 0.4) }
      let task = try TinyTransformer(batchSize: 6, dropout: 0, accumulation: parts, guidance: guided)
        .make(device, .none)
      _ = try task.accumulateGradients(step: 1, leaf: 0)
      return try task.store.parameters.map { try #require($0.variable.gradient).toArray() }
    }
    for (a, b) in zip(try gradients(parts: 3), try gradients(parts: 1)) {
      expectClose(a, b, relativeToNorm: 300 * unitRoundoff, floor: 1e-9, "gradient in three parts")
    }
  }

  // MARK: Options

  @Test(arguments: [("GPT-B", 6), ("GPT-L", 18), ("GPT-XL", 18), ("CPU-tiny", 2), ("CPU-small", 3)])
  func theContrastIsInTheMiddleByDefault(name: String, block: Int) throws {
    let (layers, heads, width) = try #require(TransformerConfiguration.named[name])
    let configuration = TransformerConfiguration(
      layers: layers, heads: heads, width: width, vocabularySize: 4, gridRows: 2, gridColumns: 2,
      classCount: 1)
    #expect(SelfGuidance.Options(configuration).contrastLayer == block)
  }
}
