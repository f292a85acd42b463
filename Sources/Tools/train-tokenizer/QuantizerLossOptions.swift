import ArgumentParser
import Autograd
import ImageModels
import ToolRuntime
import Training
import VQGAN

/// The losses of the quantiser, and what keeps the codes of a trained codebook in use.
struct QuantizerLossOptions: ParsableArguments {
  @Option(
    help: "beta, the weight of the commitment loss, at least 0. VQGAN: 1. (default: 0.25; not with fsq)")
  var commitment: Float?
  @Option(
    help: "Weight of the codebook loss, at least 0. VQGAN: 0.25. (default: 1; not with fsq and lfq)")
  var codebookWeight: Float?
  @Option(
    help: ArgumentHelp(
      "Weight of the entropy terms, at least 0: latents are to be near one code, and all codes to be used alike. (default: "
        + "0, lfq 0.1; not with fsq and --scales)"))
  var entropyWeight: Float?
  @Option(
    help: ArgumentHelp(
      "What squared distances are divided by in the probabilities of the entropy terms, above 0. (default: 0.01)"
    ))
  var entropyTemperature: Float?
  @Option(
    help: ArgumentHelp(
      "Number of steps at the start without a quantiser; k-means over latents then places the codes. Not with fsq and lfq."
    ))
  var autoencoderSteps = 0
  @Option(
    help: "Share of the mean use of a code; a code that is used less is moved to a latent. (default: 0.1)")
  var deadCodeThreshold: Double?
  @Option(help: "Number of steps between two searches for such codes; 0 means no search. (default: 100)")
  var deadCodeInterval: Int?
  @Option(help: "Share of the steps, from 0 to 1, after which no code is moved any more. (default: 0.8)")
  var deadCodeEnd: Double?

  func validate() throws {
    if autoencoderSteps < 0 || (deadCodeInterval ?? 0) < 0 {
      throw ValidationError("--autoencoder-steps and --dead-code-interval must not be negative.")
    }
    let factors = [commitment, codebookWeight].compactMap { $0.map(Double.init) } + [deadCodeThreshold ?? 0]
    if factors.contains(where: { !($0 >= 0 && $0.isFinite) }) {
      throw ValidationError(
        "--commitment, --codebook-weight and --dead-code-threshold must not be negative nor infinite.")
    }
    if let end = deadCodeEnd, !(0...1).contains(end) {
      throw ValidationError("--dead-code-end must be from 0 to 1.")
    }
    if let entropyWeight, !(entropyWeight >= 0 && entropyWeight.isFinite) {
      throw ValidationError("--entropy-weight must not be negative nor infinite.")
    }
    if let entropyTemperature, !(entropyTemperature > 0 && entropyTemperature.isFinite) {
      throw ValidationError("--entropy-temperature must be above 0 and not infinite.")
    }
  }

  /// Why these options do not go with a tokenizer, or nil.
  func problem(_ sizes: TokenizerConfiguration) -> String? {
    let forTrainedCodes: [(String, Bool)] = [
      ("--codebook-weight", codebookWeight != nil), ("--autoencoder-steps", autoencoderSteps > 0),
      ("--dead-code-threshold", deadCodeThreshold != nil), ("--dead-code-interval", deadCodeInterval != nil),
      ("--dead-code-end", deadCodeEnd != nil),
    ]
    let entropy = [
      ("--entropy-weight", entropyWeight != nil), ("--entropy-temperature", entropyTemperature != nil),
    ]
    if let kind = sizes.quantizer?.kind {
      let isFinite = kind == .finiteScalar
      let lost = forTrainedCodes + (isFinite ? [("--commitment", commitment != nil)] + entropy : [])
      if let name = lost.first(where: \.1)?.0 {
        return "\(name) does not go with the quantizer \(kind.rawValue); leave it out"
      }
    }
    if sizes.multiScale != nil, let name = entropy.first(where: \.1)?.0 {
      return "\(name) does not go with a tokenizer of several scales; leave it out"
    }
    if entropyTemperature != nil && entropyTerm(sizes) == nil {
      return "--entropy-temperature needs --entropy-weight"
    }
    return nil
  }

  /// The settings of a task with these options.
  func options(
    _ sizes: TokenizerConfiguration, batchSize: Int, reconstruction: ReconstructionLoss, steps: Int,
    seed: UInt64,
    imageLosses: ImageLosses.Options?
  ) -> TokenizerTask.Options {
    let isTrained = sizes.quantizer == nil
    return TokenizerTask.Options(
      batchSize: batchSize, reconstruction: reconstruction,
      commitment: sizes.quantizer?.kind == .finiteScalar ? 0 : commitment ?? 0.25,
      codebookWeight: isTrained ? codebookWeight ?? 1 : 0, entropy: entropyTerm(sizes),
      warmupSteps: autoencoderSteps, deadCodeThreshold: deadCodeThreshold ?? 0.1,
      deadCodeInterval: isTrained ? deadCodeInterval ?? 100 : 0,
      deadCodeEnd: Int(Double(steps) * (deadCodeEnd ?? 0.8)), seed: seed, imageLosses: imageLosses)
  }

  /// The entropy terms of a tokenizer; nil for none.
  private func entropyTerm(_ sizes: TokenizerConfiguration) -> EntropyTerm? {
    let weight = entropyWeight ?? (sizes.quantizer?.kind == .lookupFree ? 0.1 : 0)
    return weight > 0 ? EntropyTerm(weight: weight, temperature: entropyTemperature ?? 0.01) : nil
  }
}
