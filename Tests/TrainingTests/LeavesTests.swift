import Autograd
import Communication
import NeuralNet
import STAR
import StreamFormat
import TensorCore
import TestRanks
import TestSupport
import Testing
import VQGAN

@testable import Training

/// Leaves and ranks: the leaves decide the bytes, the ranks do not.
@Suite struct LeavesTests {
  /// What a run has come to.
  private struct End: Equatable, Sendable {
    var parameters: [[Float]]
    var values: [[Float]]
    var state: [[UInt8]]
    var scores: [String: Double]
    var log: [Int: [String: Double]]
  }

  private static let tasks: [(String, @Sendable () throws -> any TinyTask)] = [
    ("transformer", { TinyTransformer(items: 40, batchSize: 8, accumulation: 2) }),
    (
      "self-guided", { TinyTransformer(batchSize: 8, guidance: SelfGuidance.Options(TinyTransformer.sizes)) }
    ),
    ("transformer by Muon", { TinyTransformer(items: 40, batchSize: 8, rule: .muon) }),
    ("tokenizer", { try TinyTokenizer(heldOut: .init(fraction: 0.5, seed: 3), batchSize: 4) }),
    ("scales", { try TinyTokenizer(scales: [1, 3, 4], batchSize: 4) }),
    ("weighted pixels", { try TinyTokenizer(losses: ImageLosses.Options(pixelWeight: 0.5), batchSize: 4) }),
  ]

  /// Trains on some ranks with four leaves; all ranks must end alike.
  /// - Parameter record: a checkpoint to go on from.
  private func end(
    _ tiny: any TinyTask, ranks: Int, interruptAfter: Int = .max, from record: Record? = nil
  ) throws -> (end: End, checkpoint: Record?) {
    let ends = ThreadRanks.run(ranks) { communicator in
      let run = try Run(
        tiny, steps: 9, device: Device(threadCount: 1), leaves: 4, communicator: communicator)
      // One rank has received the signal; all stop.
      if communicator.rank == ranks - 1 { run.interruptAfter = interruptAfter }
      var (scores, values): ([String: Double], [Tensor]) = ([:], [])
      do {
        (scores, values) = try run.loop.run(from: record)
      } catch TrainingError.interrupted(let step) {
        #expect(step == interruptAfter)
      }
      return (
        End(
          parameters: run.parameters, values: values.map { $0.toArray() }, state: run.task.state.map(\.bytes),
          scores: scores, log: run.log),
        run.checkpoints.last
      )
    }
    let first = try ends[0].get()
    for end in ends { #expect(try end.get().0 == first.0) }
    return (first.0, first.1)
  }

  @Test(arguments: tasks.map(\.0)) func ranksGiveTheSameBytes(name: String) throws {
    let tiny = try #require(Self.tasks.first { $0.0 == name }).1()
    let alone = try end(tiny, ranks: 1).end
    #expect(!alone.scores.isEmpty && alone.log.count == 9)
    for ranks in [2, 4] { #expect(try end(tiny, ranks: ranks).end == alone) }
  }

  @Test(arguments: tasks.map(\.0)) func aRunGoesOnWithAnotherNumberOfRanks(name: String) throws {
    let tiny = try #require(Self.tasks.first { $0.0 == name }).1()
    let whole = try end(tiny, ranks: 1).end
    let cut = try end(tiny, ranks: 4, interruptAfter: 4)
    let checkpoint = try #require(cut.checkpoint)
    var rest = try end(tiny, ranks: 2, from: checkpoint).end
    rest.log.merge(cut.end.log) { $0.merging($1) { $1 } }
    #expect(rest == whole)
  }

  /// The gradient of four leaves is the plain tree of their own gradients.
  @Test func gradientsOfLeavesAreATree() throws {
    func run() throws -> Run {
      try Run(TinyTransformer(batchSize: 8), steps: 3, device: Device(threadCount: 1), leaves: 4)
    }
    let plain = try run()
    let leaves = try (0..<4).map { leaf in
      plain.task.store.clearGradients()
      _ = try plain.task.accumulateGradients(step: 1, leaf: leaf)
      return try gradients(plain.task)
    }
    let tree = try run()
    _ = try tree.loop.batchGradients(step: 1)
    for (place, sum) in try gradients(tree.task).enumerated() {
      let expected = sum.indices.map { i in
        (leaves[0][place][i] + leaves[1][place][i]) + (leaves[2][place][i] + leaves[3][place][i])
      }
      #expect(sum == expected)
    }
  }

  private func gradients(_ task: any TrainingTask) throws -> [[Float]] {
    try task.store.parameters.map { try #require($0.variable.gradient).toArray() }
  }

  @Test func leavesAddUpToTheBatch() throws {
    func gradients(leaves: Int?) throws -> ([[Float]], [String: Double]) {
      let run = try Run(
        TinyTransformer(batchSize: 8, dropout: 0), steps: 3, device: Device(threadCount: 1), leaves: leaves)
      let values = try run.loop.batchGradients(step: 1)
      return (try self.gradients(run.task), values)
    }
    let (whole, four) = (try gradients(leaves: nil), try gradients(leaves: 4))
    for (a, b) in zip(whole.0, four.0) {
      expectClose(b, a, relativeToNorm: 300 * unitRoundoff, floor: 1e-9, "gradient of four leaves")
    }
    #expect(whole.1.keys == four.1.keys)
    for (name, value) in whole.1 { #expect(abs(value - four.1[name]!) < 1e-5 * abs(value)) }
  }

  /// A gradient may be sent as soon as the tape says that it is complete, for each kind of training.
  @Test(arguments: tasks.map(\.0)) func aCompleteGradientDoesNotChange(name: String) throws {
    let tiny = try #require(Self.tasks.first { $0.0 == name }).1()
    let run = try Run(tiny, steps: 9, device: Device(threadCount: 1), leaves: 4)
    let variables = run.task.store.parameters.map(\.variable)
    // The second step of a tokenizer still has no quantiser; the last one has.
    for step in [0, 8] {
      run.task.store.clearGradients()
      try run.task.startStep(step)
      var told: [Int: [Float]?] = [:]
      _ = try run.task.accumulateGradients(
        step: step, leaf: 1,
        watch: GradientWatch(variables) { place in
          #expect(told[place] == nil)
          told[place] = .some(variables[place].gradient?.toArray())
        })
      #expect(told.count == variables.count)
      for (place, variable) in variables.enumerated() {
        #expect(told[place] == .some(variable.gradient?.toArray()))
      }
    }
  }

  /// Sums between ranks are the same however the gradients are put together and cut, and with leaves that wait.
  @Test(arguments: [1, 2, 4], [1, 7, 16, 1000]) func sumsDoNotDependOnWhereGradientsAreCut(
    ranks: Int, bucketSize: Int
  ) throws {
    let sizes = [5, 1, 12, 3, 3, 40]
    @Sendable func gradient(_ variable: Int, leaf: Int) -> [Float] {
      var random = CounterRandom(seed: UInt64(leaf), purpose: .test, index: UInt64(variable))
      return (0..<sizes[variable]).map { _ in Float(random.normal()) }
    }
    let ends = ThreadRanks.run(ranks, messageSize: 4) { communicator in
      let device = Device(threadCount: 1)
      let variables = sizes.map { Variable(device.zeros([$0]), requiresGradient: true) }
      // The fourth has no gradient, as a weight that a training does not use.
      func backward(_ leaf: Int, _ watch: GradientWatch?) {
        let tape = Tape(device: device)
        let terms = sizes.indices.filter { $0 != 3 }.map {
          (tape.dot(variables[$0], device.tensor(gradient($0, leaf: leaf), [sizes[$0]])), Float(1))
        }
        tape.backward(from: tape.weightedSum(terms), watch: watch)
      }
      var tree = GradientTree(variables, device)
      let leaves = communicator.share(of: 4)
      for leaf in leaves.dropLast() {
        backward(leaf, nil)
        tree.addLeaf()
      }
      let exchange = GradientExchange(tree, communicator, { 0 }, bucketSize: bucketSize)
      backward(leaves.upperBound - 1, exchange.watch)
      let cost = exchange.finish()
      #expect(cost.bytesSent == 8 * (1 - 1 / Double(ranks)) * 61)
      return variables.map { $0.gradient?.toArray() }
    }
    for end in ends {
      for (place, sum) in try end.get().enumerated() {
        let leaves = (0..<4).map { gradient(place, leaf: $0) }
        let expected: [Float] = leaves[0].indices.map { i in
          let (left, right) = (leaves[0][i] + leaves[1][i], leaves[2][i] + leaves[3][i])
          return left + right
        }
        #expect(sum == (place == 3 ? nil : expected))
      }
    }
  }

  /// A step of one leaf is what it was before there were leaves: the task's own gradient, and nothing else.
  @Test func oneLeafIsTheBatchItself() throws {
    func make() throws -> Run {
      try Run(TinyTransformer(batchSize: 6, accumulation: 2), steps: 3, device: Device(threadCount: 1))
    }
    let (plain, loop) = (try make(), try make())
    let own = try plain.task.accumulateGradients(step: 2, leaf: 0)
    #expect(try loop.loop.batchGradients(step: 2) == own)
    #expect(try gradients(loop.task) == gradients(plain.task))
  }

  @Test func otherLeavesAreAnotherTraining() throws {
    let run = try Run(TinyTransformer(batchSize: 8), steps: 4, checkpointEvery: 2, leaves: 4)
    _ = try run.loop.run()
    #expect(try run.task.settings.json().contains("\"leaves\":4"))
    let other = try Run(TinyTransformer(batchSize: 8), steps: 4, checkpointEvery: 2, leaves: 2)
    #expect {
      _ = try other.loop.run(from: run.checkpoints[0])
    } throws: { error in
      guard case .settingsChanged(let name, _, _)? = error as? TrainingError else { return false }
      return name == "training.leaves"
    }
    // Checkpoints of runs without leaves say nothing of them.
    let one = try Run(TinyTransformer(batchSize: 8), steps: 4)
    #expect(try !one.task.settings.json().contains("leaves"))
  }

  /// The second rank's machine has another file of this name, or it saves at other steps, or has another number of threads.
  @Test(arguments: ["data", "checkpoints", "threads"]) func ranksOfDifferentTrainingsStop(what: String) {
    let ends = ThreadRanks.run(2) { communicator in
      let isOther = communicator.rank == 1
      let tiny = TinyTransformer(items: isOther && what == "data" ? 13 : 12, batchSize: 8)
      _ = try Run(
        tiny, steps: 2, device: Device(threadCount: isOther && what == "threads" ? 2 : 1),
        checkpointEvery: isOther && what == "checkpoints" ? 1 : 0, leaves: 2, communicator: communicator
      ).loop.run()
    }
    for end in ends {
      #expect(throws: TrainingError.ranksDiffer(rank: 1)) { try end.get() }
    }
  }
}
