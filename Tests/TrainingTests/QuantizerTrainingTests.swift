import ImageModels
import StreamFormat
import TensorCore
import Testing
import TestSupport
@testable import Training
import VQGAN

/// Training tokenizers with other quantisers than the plain one, and with entropy terms.
@Suite struct QuantizerTrainingTests {
  private static let entropy = EntropyTerm(weight: 0.1, temperature: 1)

  private static func tiny(_ name: String, losses: ImageLosses.Options? = nil) throws -> TinyTokenizer {
    switch name {
    case "fsq": try TinyTokenizer(losses: losses, quantizer: .finiteScalar(levels: [2, 2, 2, 2]))
    case "lfq": try TinyTokenizer(losses: losses, quantizer: .lookupFree, entropy: entropy)
    default: try TinyTokenizer(losses: losses, entropy: entropy)
    }
  }

  @Test(arguments: ["vq", "fsq", "lfq"], [2, 5]) func resumesExactly(name: String, stop: Int) throws {
    try TrainingLoopTests().expectExactResume(try Self.tiny(name), averageDecay: 0.9, stopAfter: stop)
  }

  @Test(arguments: ["vq", "fsq", "lfq"]) func resumesExactlyWithADiscriminator(name: String) throws {
    let losses = ImageLosses.Options(
      adversarial: .init(
        start: 4, isAdaptive: true, discriminator: DiscriminatorConfiguration(channels: 4, layers: 1)))
    try TrainingLoopTests().expectExactResume(
      try Self.tiny(name, losses: losses), averageDecay: 0, stopAfter: 6)
  }

  @Test(arguments: ["fsq", "lfq"]) func codesStayAndAllElseLearns(name: String) throws {
    let run = try Run(try Self.tiny(name), steps: 40)
    let before = run.parameters
    let saved = try run.loop.run().values
    for (place, parameter) in run.task.store.parameters.enumerated() {
      let isCodebook = parameter.name == Tokenizer.codebookName
      #expect((run.parameters[place] == before[place]) == isCodebook, "\(parameter.name)")
      if isCodebook { #expect(saved[place].toArray() == before[place]) }
    }
    func mean(_ steps: ClosedRange<Int>) -> Double {
      steps.compactMap { run.log[$0]?["reconstruction_loss"] }.reduce(0, +) / Double(steps.count)
    }
    #expect(mean(36...40) < 0.8 * mean(1...5))
  }

  @Test func whatIsLogged() throws {
    func names(_ name: String) throws -> Set<String> {
      let run = try Run(try Self.tiny(name), steps: 5)
      _ = try run.loop.run()
      return Set(try #require(run.log[5]).filter { $0.value.isFinite }.keys)
    }
    let terms: Set = ["codebook_loss", "commitment_loss", "sample_entropy", "code_entropy"]
    #expect(try names("fsq").intersection(terms) == [])
    #expect(try names("lfq").intersection(terms) == terms.subtracting(["codebook_loss"]))
    #expect(try names("vq").intersection(terms) == terms.subtracting(["commitment_loss"]))
    #expect(try names("fsq").isSuperset(of: ["batch_usage", "reconstruction_loss"]))
  }

  /// The loss that is logged is the sum of its terms, with and without losses of images.
  @Test(arguments: [nil, ImageLosses.Options(pixelWeight: 1)]) func theLossIsTheSum(
    losses: ImageLosses.Options?
  )
    throws
  {
    let run = try Run(try Self.tiny("lfq", losses: losses), steps: 2)
    _ = try run.loop.run()
    let values = try #require(run.log[1])
    func value(_ name: String) -> Double { values[name] ?? .nan }
    let sum =
      value("reconstruction_loss") + 0.25 * value("commitment_loss")
      + 0.1 * (value("sample_entropy") - value("code_entropy"))
    #expect(abs(value("loss") - sum) < 1e-5 * abs(sum))
  }

  @Test func withoutEntropyTermsSettingsAreAsTheyWere() throws {
    let run = try Run(try TinyTokenizer(), steps: 2, checkpointEvery: 1)
    _ = try run.loop.run()
    let settings = try #require(run.checkpoints[0].metadata["settings"])
    #expect(!settings.contains("entropy") && !settings.contains("quantizer"))
    let other = try Run(try TinyTokenizer(entropy: Self.entropy), steps: 2, checkpointEvery: 1)
    #expect(throws: TrainingError.self) { try other.loop.run(from: run.checkpoints[0]) }
  }
}
