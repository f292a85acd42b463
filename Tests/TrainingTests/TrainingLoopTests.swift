import Communication
import Images
import STAR
import StreamFormat
import TensorCore
import Testing
import TestSupport
@testable import Training

/// The loop's promises: exact resumption, honest failures, steady memory, and that it learns.
@Suite struct TrainingLoopTests {
  /// Stops a run in the middle, goes on in a new process's place, and compares with the run in one piece.
  func expectExactResume(_ tiny: some TinyTask, averageDecay: Float, stopAfter: Int) throws {
    let steps = 12
    let whole = try Run(tiny, steps: steps, averageDecay: averageDecay)
    let (scores, values) = try whole.loop.run()

    let first = try Run(tiny, steps: steps, averageDecay: averageDecay)
    first.interruptAfter = stopAfter
    #expect(throws: TrainingError.interrupted(step: stopAfter)) { try first.loop.run() }
    #expect(first.checkpoints.count == 1)
    let second = try Run(tiny, steps: steps, averageDecay: averageDecay)
    let (resumedScores, resumedValues) = try second.loop.run(from: first.checkpoints[0])

    #expect(second.parameters == whole.parameters && second.discriminator == whole.discriminator)
    #expect(second.task.state.map(\.bytes) == whole.task.state.map(\.bytes))
    #expect(resumedValues.map { $0.toArray() } == values.map { $0.toArray() })
    #expect(resumedScores == scores && !scores.isEmpty)
    let series = first.log.merging(second.log) { $0.merging($1) { $1 } }
    #expect(series == whole.log && series.count == steps)
    #expect(second.log.keys.min() == stopAfter + 1)
  }

  @Test(arguments: [Float(0), 0.9], [1, 5, 8]) func aTransformerResumesExactly(decay: Float, stop: Int) throws
  {
    try expectExactResume(TinyTransformer(), averageDecay: decay, stopAfter: stop)
  }

  @Test(arguments: [Float(0), 0.9], [1, 5, 8]) func aSelfGuidedTransformerResumesExactly(
    decay: Float, stop: Int
  ) throws {
    var guidance = SelfGuidance.Options(TinyTransformer.sizes)
    guidance.masksEachBlock = stop == 5
    try expectExactResume(TinyTransformer(guidance: guidance), averageDecay: decay, stopAfter: stop)
  }

  @Test(arguments: [1, 6], [false, true]) func muonResumesExactly(stop: Int, guided: Bool) throws {
    let guidance = guided ? SelfGuidance.Options(TinyTransformer.sizes) : nil
    let tiny = TinyTransformer(guidance: guidance, rule: .muon)
    try expectExactResume(tiny, averageDecay: 0.9, stopAfter: stop)
  }

  // In the warm-up, at the codebook's start, and between two looks for dead codes.
  @Test(arguments: [2, 3, 4, 8]) func aTokenizerResumesExactly(stop: Int) throws {
    try expectExactResume(try TinyTokenizer(), averageDecay: 0.9, stopAfter: stop)
  }

  @Test(arguments: [2, 3, 4, 8]) func aTokenizerOfSeveralScalesResumesExactly(stop: Int) throws {
    try expectExactResume(try TinyTokenizer(scales: [1, 3, 4]), averageDecay: 0.9, stopAfter: stop)
  }

  @Test func theUseOfEachScaleIsLogged() throws {
    let tiny = try TinyTokenizer(scales: [1, 3, 4])
    defer { withExtendedLifetime(tiny) {} }
    let task = try tiny.make(Device(threadCount: 1), .none)
    let names = { (values: [String: Double]) in values.keys.filter { $0.hasPrefix("usage_scale_") }.sorted() }
    func values(step: Int) throws -> [String: Double] {
      try task.startStep(step)
      _ = try task.accumulateGradients(step: step, leaf: 0)
      return task.joinLeaves(step: step, over: SingleProcess())
    }
    #expect(names(try values(step: 0)) == [])
    let values = try values(step: 3)
    #expect(names(values) == ["usage_scale_1", "usage_scale_2", "usage_scale_3"])
    // Three images have three tokens of the first scale at most.
    #expect((values["usage_scale_1"] ?? 2) <= 3.0 / 16 && (values["usage_scale_3"] ?? 0) > 0)
    #expect(task.state.map(\.name) == ["task.uses", "task.scale_hits", "task.scale_visits"])
  }

  /// With W = 1, as LlamaGen; by default the decay after the first step is min(0.9, 2 / 11).
  @Test(arguments: [(nil, Float(2) / 11), (10, Float(2) / 11), (1, 0.9), (3, 0.5)] as [(Int?, Float)])
  func theAverageOfTheFirstStep(warmup: Int?, kept: Float) throws {
    let run = try Run(TinyTransformer(), steps: 1, averageDecay: 0.9, averageWarmup: warmup)
    let before = run.parameters
    let average = try run.loop.run().values.map { $0.toArray() }
    for (place, after) in run.parameters.enumerated() {
      for (index, value) in after.enumerated() {
        let expected = kept * before[place][index] + (1 - kept) * value
        #expect(abs(average[place][index] - expected) < 1e-6)
      }
    }
    #expect(average != run.parameters)
  }

  @Test func checkpointsSurviveTheirFile() throws {
    let run = try Run(TinyTransformer(), steps: 6, checkpointEvery: 3)
    _ = try run.loop.run()
    #expect(try run.checkpoints.map { try TrainingLoop.step(of: $0) } == [3, 6])
    // A finished run goes on to nothing but its scores.
    let again = try Run(TinyTransformer(), steps: 6, checkpointEvery: 3)
    _ = try again.loop.run(from: run.checkpoints[1])
    #expect(again.log.isEmpty && again.parameters == run.parameters)
  }

  @Test(arguments: [Float(0), 0.9]) func modelsOnTheWayAreThoseOfShorterRuns(decay: Float) throws {
    let saved = SavedSteps(every: 4, and: [3])
    let whole = try Run(TinyTransformer(), steps: 12, averageDecay: decay, savedSteps: saved)
    let values = try whole.loop.run().values.map { $0.toArray() }
    #expect(whole.models.keys.sorted() == [3, 4, 8, 12] && whole.models[12] == values)
    // The moving average is saved where there is one.
    #expect((whole.models[12] == whole.parameters) == (decay == 0))
    let cut = try Run(TinyTransformer(), steps: 12, averageDecay: decay, savedSteps: saved)
    cut.interruptAfter = 5
    #expect(throws: TrainingError.interrupted(step: 5)) { try cut.loop.run() }
    let rest = try Run(TinyTransformer(), steps: 12, averageDecay: decay, savedSteps: saved)
    _ = try rest.loop.run(from: cut.checkpoints[0])
    #expect(cut.models.merging(rest.models) { $1 } == whole.models && rest.models.keys.min() == 8)
  }

  @Test func savedStepsAreCounted() {
    for saved in [
      SavedSteps(), .init(every: 4), .init(and: [2, 9, 12]), .init(every: 3, and: [1, 3, 5, 13]),
    ] {
      let steps = (1...12).filter(saved.contains)
      #expect(saved.steps(through: 12) == steps && saved.count(through: 12) == steps.count)
    }
  }

  @Test func whatWasSeenIsCounted() throws {
    let device = Device(threadCount: 1)
    let plain = try TinyTransformer().make(device, .none)
    #expect(plain.seen(after: 3) == ["images_seen": 15, "views_seen": 15] && plain.trainingCount == 9)
    let guided = try TinyTransformer(guidance: .init(TinyTransformer.sizes)).make(device, .none)
    #expect(guided.seen(after: 3) == ["images_seen": 15, "views_seen": 30])
  }

  @Test func seedsDecideEverything() throws {
    let (one, two) = (try Run(TinyTransformer(), steps: 5), try Run(TinyTransformer(), steps: 5))
    _ = (try one.loop.run(), try two.loop.run())
    #expect(one.log == two.log && one.parameters == two.parameters)
  }

  @Test func otherSettingsAreRefused() throws {
    let run = try Run(TinyTransformer(), steps: 4, checkpointEvery: 2)
    _ = try run.loop.run()
    let others: [(TinyTransformer, Int, String)] = [
      (TinyTransformer(items: 11), 4, "data.tokens"), (TinyTransformer(), 5, "training.schedule.totalSteps"),
      (TinyTransformer(heldOut: 0.2), 4, "held_out.fraction"),
      (TinyTransformer(dropout: 0.2), 4, "task.classDropout"),
      (TinyTransformer(guidance: .init(TinyTransformer.sizes)), 4, "self_guidance"),
    ]
    for (tiny, steps, name) in others {
      expectRefusal(try Run(tiny, steps: steps, checkpointEvery: 2), run.checkpoints[0], name)
    }
    let same = try Run(TinyTransformer(), steps: 4, checkpointEvery: 2)
    var old = run.checkpoints[0]
    old.metadata["settings"] = #"{"config":"{}","data":"00"}"#
    let error = try #require(throws: FormatError.self) { try same.loop.run(from: old) }
    #expect(error.description.contains("an earlier version"))
    var wrongKind = run.checkpoints[0]
    wrongKind.metadata["kind"] = "tokens"
    #expect(throws: FormatError.self) { try same.loop.run(from: wrongKind) }
    var beyond = run.checkpoints[0]
    beyond.metadata["step"] = "5"
    #expect(throws: FormatError.self) { try same.loop.run(from: beyond) }
    var damaged = run.checkpoints[0]
    damaged.tensors.removeAll { $0.name == "second_moment.output.weight" }
    #expect(throws: FormatError.self) { try same.loop.run(from: damaged) }
  }

  private func expectRefusal(
    _ run: Run, _ checkpoint: Record, _ name: String, location: SourceLocation = #_sourceLocation
  ) {
    do {
      _ = try run.loop.run(from: checkpoint)
      Issue.record("another \(name) was accepted", sourceLocation: location)
    } catch {
      guard case .settingsChanged(let found, _, _)? = error as? TrainingError else {
        Issue.record("\(error)", sourceLocation: location)
        return
      }
      #expect(found == name, sourceLocation: location)
    }
  }

  @Test func aTokenizersOtherSettingsAreRefused() throws {
    let run = try Run(try TinyTokenizer(), steps: 4, checkpointEvery: 2)
    _ = try run.loop.run()
    let others: [(TinyTokenizer, String)] = [
      (try TinyTokenizer(heldOut: .init(fraction: 0.5, seed: 3)), "held_out.fraction"),
      (try TinyTokenizer(heldOut: .init(fraction: 0.25, seed: 4)), "held_out.seed"),
      (try TinyTokenizer(background: RGBColor(0, 255, 255)), "images.reading.decoding.background.red"),
      (try TinyTokenizer(noise: 900), "images.content"),
    ]
    for (tiny, name) in others {
      expectRefusal(try Run(tiny, steps: 4, checkpointEvery: 2), run.checkpoints[0], name)
    }
    // The same images in another folder.
    let same = try Run(try TinyTokenizer(), steps: 4, checkpointEvery: 2)
    _ = try same.loop.run(from: run.checkpoints[0])
  }

  @Test func anAbsurdLearningRateIsReported() throws {
    let run = try Run(TinyTransformer(dropout: 0, learningRate: 1e30), steps: 20, checkpointEvery: 1)
    do {
      _ = try run.loop.run()
      Issue.record("training went on")
    } catch TrainingError.notFinite(let step, let loss, let norm, let checkpoint) {
      // The state after step - 1 is the one that diverged; the one before it is kept.
      #expect((2...20).contains(step) && checkpoint == (step > 2 ? step - 2 : nil))
      #expect(!loss.isFinite || !norm.isFinite)
      #expect(run.log.keys.max() == step - 1, "the bad step is not logged")
      let text = TrainingError.notFinite(
        step: step, loss: loss, gradientNorm: norm, lastCheckpoint: checkpoint)
      #expect(text.description.contains("step \(step)") && text.description.contains("learning-rate"))
    }
  }

  @Test func aLastStepThatDivergesIsReported() throws {
    // The first step's gradient is finite; what the step makes of the parameters is not.
    let run = try Run(TinyTransformer(dropout: 0, learningRate: 1e38), steps: 1, checkpointEvery: 1)
    #expect(throws: TrainingError.self) { try run.loop.run() }
    #expect(run.checkpoints.isEmpty)
  }

  /// Settings that are no JSON object, or that are far too long to be shown.
  @Test(arguments: ["", "{", "[]", "{\"data\":\"\(String(repeating: "x", count: 5000))\"}"])
  func damagedSettingsAreShownInShort(settings: String) throws {
    let run = try Run(TinyTransformer(), steps: 4, checkpointEvery: 2)
    _ = try run.loop.run()
    var checkpoint = run.checkpoints[0]
    checkpoint.metadata["settings"] = settings
    let other = try Run(TinyTransformer(), steps: 4, checkpointEvery: 2)
    #expect { _ = try other.loop.run(from: checkpoint) } throws: { error in
      let isTyped = error is FormatError || error is TrainingError
      return isTyped && "\(error)".count < 560 && !"\(error)".contains("expected  ")
    }
  }

  @Test func whatOnlyWatchesTheRunMayChange() throws {
    let run = try Run(TinyTransformer(), steps: 4, checkpointEvery: 2)
    _ = try run.loop.run()
    let other = try Run(TinyTransformer(), steps: 4, checkpointEvery: 3)
    _ = try other.loop.run(from: run.checkpoints[0])
    #expect(other.parameters == run.parameters)
  }

  @Test func oneBatchIsLearntByHeart() throws {
    let tiny = TinyTransformer(items: 3, batchSize: 3, dropout: 0, heldOut: 0, learningRate: 0.03)
    let run = try Run(tiny, steps: 250, averageDecay: 0)
    _ = try run.loop.run()
    // Each of three labels has one image in two views: what remains is the choice of the view.
    let last = (240...250).compactMap { run.log[$0]?["token_loss"] }
    let first = try #require(run.log[1]?["token_loss"])
    #expect(first > 2.9 && last.reduce(0, +) / Double(last.count) < 0.3)
  }

  @Test func aTokenizerLearns() throws {
    let run = try Run(try TinyTokenizer(), steps: 80, averageDecay: 0)
    _ = try run.loop.run()
    func mean(_ steps: ClosedRange<Int>) -> Double {
      let values = steps.compactMap { run.log[$0]?["reconstruction_loss"] }
      return values.reduce(0, +) / Double(values.count)
    }
    #expect(mean(71...80) < 0.6 * mean(1...3))
    #expect(run.log[80]?["held_out_psnr"]?.isFinite == true)
  }

  @Test func memoryDoesNotGrow() throws {
    func check(_ tiny: some TinyTask) throws {
      let device = Device(threadCount: 2)
      let run = try Run(tiny, steps: 30, device: device)
      var held: [Int: Int] = [:]
      run.onStep = { held[$0] = device.memory.bytesHeld }
      _ = try run.loop.run()
      // The first rounds of training with the quantiser and of scoring (step 4) ask for their memory.
      #expect(held[30] == held[8], "\(held.sorted { $0.key < $1.key })")
    }
    try check(TinyTransformer())
    try check(TinyTransformer(guidance: .init(TinyTransformer.sizes)))
    try check(try TinyTokenizer())
  }

  @Test func accumulationAddsUpToTheBatch() throws {
    func gradients(parts: Int) throws -> [[Float]] {
      let device = Device(threadCount: 1)
      let task = try TinyTransformer(batchSize: 6, dropout: 0, accumulation: parts).make(device, .none)
      _ = try task.accumulateGradients(step: 0, leaf: 0)
      return try task.store.parameters.map { try #require($0.variable.gradient).toArray() }
    }
    for (a, b) in zip(try gradients(parts: 3), try gradients(parts: 1)) {
      expectClose(a, b, relativeToNorm: 300 * unitRoundoff, floor: 1e-9, "gradient in three parts")
    }
  }
}
