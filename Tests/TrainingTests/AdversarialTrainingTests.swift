import ImageModels
import StreamFormat
import TensorCore
import Testing
import TestSupport
@testable import Training
import VQGAN

/// Training a tokenizer against a discriminator.
@Suite struct AdversarialTrainingTests {
  private static func losses(
    start: Int, weight: Float = 0.5, isAdaptive: Bool = true, lecam: Float? = nil,
    learningRate: Double? = nil
  ) -> ImageLosses.Options {
    ImageLosses.Options(
      adversarial: .init(
        weight: weight, start: start, isAdaptive: isAdaptive,
        discriminator: DiscriminatorConfiguration(channels: 4, layers: 1), learningRate: learningRate,
        lecamWeight: lecam))
  }

  // Before the start, just after it, and later.
  @Test(arguments: [2, 4, 7]) func resumesExactlyWithLeCAM(stop: Int) throws {
    let tiny = try TinyTokenizer(losses: Self.losses(start: 4, lecam: 10))
    try TrainingLoopTests().expectExactResume(tiny, averageDecay: 0.9, stopAfter: stop)
  }

  @Test func lecamChangesTheDiscriminatorAndIsInTheCheckpoint() throws {
    let plain = try Run(try TinyTokenizer(losses: Self.losses(start: 1)), steps: 6, checkpointEvery: 3)
    let regular = try Run(
      try TinyTokenizer(losses: Self.losses(start: 1, lecam: 10)), steps: 6, checkpointEvery: 3)
    _ = (try plain.loop.run(), try regular.loop.run())
    #expect(plain.discriminator != regular.discriminator)
    #expect(plain.log[1]?["lecam_loss"] == nil && (regular.log[1]?["lecam_loss"] ?? 0) > 0)
    let averages = try regular.checkpoints[1].tensor("task.lecam_averages", shape: [2]).floats()
    // The decay of 0.999, from 0 on.
    for (name, average) in zip(["logits_real", "logits_fake"], averages) {
      let expected = (1...6).reduce(0.0) { $0 * 0.999 + 0.001 * (regular.log[$1]?[name] ?? .nan) }
      #expect(abs(Double(average) - expected) < 1e-6, "\(name)")
    }
    #expect(!plain.checkpoints[1].tensors.contains { $0.name.contains("lecam") })
    #expect(plain.checkpoints[1].metadata["settings"]?.contains("lecam") == false)
    let again = try Run(try TinyTokenizer(losses: Self.losses(start: 1)), steps: 6, checkpointEvery: 3)
    #expect(throws: TrainingError.self) { try again.loop.run(from: regular.checkpoints[0]) }
  }

  /// A rate of its own has the model's schedule.
  @Test func theDiscriminatorMayHaveItsOwnLearningRate() throws {
    let discriminators = try [nil, 0.003, 0.0003].map { rate in
      let run = try Run(try TinyTokenizer(losses: Self.losses(start: 1, learningRate: rate)), steps: 4)
      let untrained = run.discriminator
      _ = try run.loop.run()
      let moved = zip(run.discriminator.joined(), untrained.joined()).map { abs($0 - $1) }
      return (values: run.discriminator, moved: moved.reduce(0, +))
    }
    #expect(discriminators[0].values == discriminators[1].values)
    #expect(discriminators[2].moved < 0.3 * discriminators[1].moved && discriminators[2].moved > 0)
  }

  // In the warm-up before the start, in the step before it, just after it, and later.
  @Test(arguments: [2, 5, 6, 9], [nil, [1, 3, 4]]) func resumesExactly(stop: Int, scales: [Int]?) throws {
    let tiny = try TinyTokenizer(scales: scales, losses: Self.losses(start: 6))
    try TrainingLoopTests().expectExactResume(tiny, averageDecay: 0.9, stopAfter: stop)
  }

  @Test(arguments: [1, 2]) func resumesExactlyFromAStartInTheWarmUp(stop: Int) throws {
    let tiny = try TinyTokenizer(losses: Self.losses(start: 0, isAdaptive: false))
    try TrainingLoopTests().expectExactResume(tiny, averageDecay: 0, stopAfter: stop)
  }

  @Test func theGateOpensAtItsStep() throws {
    let run = try Run(try TinyTokenizer(losses: Self.losses(start: 6)), steps: 9, averageDecay: 0)
    let untrained = run.discriminator
    var after: [Int: [[Float]]] = [:]
    run.onStep = { [unowned run] step in after[step] = run.discriminator }
    _ = try run.loop.run()
    let names = [
      "generator_loss", "discriminator_loss", "logits_real", "logits_fake", "adaptive_weight",
      "discriminator_gradient_norm",
    ]
    for step in 1...9 {
      let values = try #require(run.log[step])
      #expect(values["loss"]?.isFinite == true && values["reconstruction_loss"]?.isFinite == true)
      // After the warm-up of three steps there is a quantiser.
      #expect((values["codebook_loss"] != nil) == (step > 3))
      for name in names {
        #expect((values[name]?.isFinite == true) == (step >= 6), "\(name) in step \(step)")
      }
    }
    #expect(after[5] == untrained && after[6] != untrained && after[7] != after[6])
  }

  /// A gate that stays closed, and a weight of 1, change no bit of a run.
  @Test func aClosedGateChangesNothing() throws {
    let plain = try Run(try TinyTokenizer(), steps: 8, averageDecay: 0)
    let closed = try Run(try TinyTokenizer(losses: Self.losses(start: 100)), steps: 8, averageDecay: 0)
    _ = (try plain.loop.run(), try closed.loop.run())
    #expect(plain.parameters == closed.parameters)
    let (names, other) = (plain.log.mapValues { Set($0.keys) }, closed.log.mapValues { Set($0.keys) })
    #expect(names == other)
    for (step, values) in plain.log {
      let loss = try #require(values["loss"])
      #expect(abs(loss - (closed.log[step]?["loss"] ?? .nan)) < 1e-6 * loss, "step \(step)")
    }
  }

  @Test func anOpenGateAndAWeightChangeTheRun() throws {
    let plain = try Run(try TinyTokenizer(), steps: 2, averageDecay: 0)
    let open = try Run(try TinyTokenizer(losses: Self.losses(start: 1)), steps: 2, averageDecay: 0)
    let weighted = try Run(try TinyTokenizer(losses: .init(pixelWeight: 0.5)), steps: 2, averageDecay: 0)
    _ = (try plain.loop.run(), try open.loop.run(), try weighted.loop.run())
    #expect(plain.parameters != open.parameters && plain.parameters != weighted.parameters)
    let (first, half) = (try #require(plain.log[1]?["loss"]), try #require(weighted.log[1]?["loss"]))
    #expect(abs(half - first / 2) < 1e-6)
    #expect(weighted.log[1]?["reconstruction_loss"] == plain.log[1]?["reconstruction_loss"])
  }

  @Test func checkpointsHoldTheDiscriminator() throws {
    let run = try Run(
      try TinyTokenizer(losses: Self.losses(start: 2)), steps: 4, averageDecay: 0, checkpointEvery: 2)
    _ = try run.loop.run()
    let names = run.checkpoints[0].tensors.map(\.name)
    for name in [
      "discriminator.parameter.main.0.weight", "discriminator.first_moment.main.2.weight",
      "discriminator.second_moment.main.5.bias", "task.discriminator.main.3.running_mean",
      "task.discriminator.main.3.running_var",
    ] {
      #expect(names.contains(name), "\(name)")
      var damaged = run.checkpoints[0]
      damaged.tensors.removeAll { $0.name == name }
      let again = try Run(
        try TinyTokenizer(losses: Self.losses(start: 2)), steps: 4, averageDecay: 0, checkpointEvery: 2)
      let error = try #require(throws: FormatError.self) { try again.loop.run(from: damaged) }
      #expect(error.description.contains(name))
    }
    // Without the losses a checkpoint has nothing of them.
    let plain = try Run(try TinyTokenizer(), steps: 2, averageDecay: 0, checkpointEvery: 2)
    _ = try plain.loop.run()
    #expect(!plain.checkpoints[0].tensors.contains { $0.name.contains("discriminator") })
    #expect(plain.checkpoints[0].metadata["settings"]?.contains("imageLosses") == false)
  }

  @Test func otherLossesAreRefused() throws {
    let tiny = try TinyTokenizer(losses: Self.losses(start: 2))
    let run = try Run(tiny, steps: 4, checkpointEvery: 2)
    _ = try run.loop.run()
    for losses in [nil, Self.losses(start: 3), Self.losses(start: 2, weight: 0.4)] as [ImageLosses.Options?] {
      let other = try Run(try TinyTokenizer(losses: losses), steps: 4, checkpointEvery: 2)
      #expect {
        _ = try other.loop.run(from: run.checkpoints[0])
      } throws: {
        guard case .settingsChanged(let name, _, _)? = $0 as? TrainingError else { return false }
        return name.hasPrefix("task.imageLosses")
      }
    }
  }

  /// With a weight that the tokenizer hardly feels: the discriminator's optimiser does not depend on it.
  @Test func bothSidesLearn() throws {
    let losses = Self.losses(start: 1, weight: 1e-3, isAdaptive: false)
    let run = try Run(try TinyTokenizer(losses: losses), steps: 80, averageDecay: 0)
    _ = try run.loop.run()
    func mean(_ name: String, _ steps: ClosedRange<Int>) -> Double {
      steps.compactMap { run.log[$0]?[name] }.reduce(0, +) / Double(steps.count)
    }
    #expect(mean("discriminator_loss", 21...80) < 0.95 * mean("discriminator_loss", 1...3))
    #expect(mean("logits_real", 21...80) > mean("logits_fake", 21...80))
    #expect(mean("reconstruction_loss", 71...80) < 0.8 * mean("reconstruction_loss", 1...3))
    #expect(run.log[80]?["held_out_psnr"]?.isFinite == true)
  }

  @Test func memoryDoesNotGrow() throws {
    let device = Device(threadCount: 2)
    let run = try Run(try TinyTokenizer(losses: Self.losses(start: 1)), steps: 30, device: device)
    var held: [Int: Int] = [:]
    run.onStep = { held[$0] = device.memory.bytesHeld }
    _ = try run.loop.run()
    #expect(held[30] == held[8], "\(held.sorted { $0.key < $1.key })")
  }
}
