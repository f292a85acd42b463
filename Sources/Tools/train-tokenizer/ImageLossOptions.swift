import ArgumentParser
import FeatureNetworks
import ImageModels
import TensorCore
import ToolRuntime
import VQGAN

extension AdversarialLoss: ExpressibleByArgument {}

/// What a discriminator looks at.
enum DiscriminatorKind: String, CaseIterable, ExpressibleByArgument { case patches, features }

/// The losses of reconstructions beside the quantiser's: pixels, perception and a discriminator.
struct ImageLossOptions: ParsableArguments {
  @Option(help: "Weight of the reconstruction loss, at least 0.") var reconstructionWeight: Float = 1
  @Option(
    help: ArgumentHelp(
      "Add the distance of images in the features of this network, a file of import-weights: lpips-vgg, lpips-alex, or "
        + "squeezenet-1.1 (which is not LPIPS).", valueName: "file"))
  var perceptualNetwork: InputPath?
  @Option(help: "Weight of the perceptual loss, at least 0. (default: 1)") var perceptualWeight: Float?
  @Option(
    help: ArgumentHelp(
      "First step, counted from 1, in which the perceptual loss counts. (default: 1)", valueName: "step"))
  var perceptualStart: Int?
  @Option(
    help: ArgumentHelp(
      "Scale images to this side, from 32 to 1024, before the network compares them. (default: their own)",
      valueName: "side"))
  var perceptualSize: Int?
  @Option(
    help: ArgumentHelp(
      "Train a discriminator from this step on, counted from 1, and the tokenizer against it. LlamaGen: 20000.",
      valueName: "step"))
  var adversarialStart: Int?
  @Option(help: "Weight of the adversarial loss, above 0. (default: 0.5)") var adversarialWeight: Float?
  @Option(
    help: ArgumentHelp(
      "Loss of the discriminator and of the tokenizer against it: hinge, vanilla or non-saturating. (default: hinge)",
      valueName: "loss"))
  var adversarialLoss: AdversarialLoss?
  @Flag(
    help: ArgumentHelp(
      "Scale the adversarial loss so that its gradient at the last layer is as long as that of pixels and perception "
        + "(VQGAN)."))
  var adaptiveWeight = false
  @Option(
    help: ArgumentHelp(
      "Weight of LeCAM's regularisation in the discriminator's loss, above 0, for few images. (default: none)"
    ))
  var lecamWeight: Float?
  @Option(
    help: ArgumentHelp(
      "Peak learning rate of the discriminator, above 0, which is trained by Adam. (default: --learning-rate)",
      valueName: "rate"))
  var discriminatorLearningRate: Double?
  @Option(
    help: ArgumentHelp(
      "What the discriminator looks at: patches of the images (PatchGAN), or the features of --perceptual-network "
        + "(Projected GANs). (default: patches)", valueName: "kind"))
  var discriminator: DiscriminatorKind?
  @Option(
    help:
      "Number of channels of the discriminator's first layer; with features, of each of its heads. (default: 64)"
  )
  var discriminatorChannels: Int?
  @Option(help: "Number of layers of a discriminator of patches that halve the image. (default: 3)")
  var discriminatorLayers: Int?

  func validate() throws {
    func need(_ holds: Bool, _ words: String) throws { if !holds { throw ValidationError(words) } }
    try need(
      reconstructionWeight >= 0 && reconstructionWeight.isFinite,
      "--reconstruction-weight must not be negative nor infinite.")
    try need(
      perceptualWeight.map { $0 >= 0 && $0.isFinite } ?? true,
      "--perceptual-weight must not be negative nor infinite.")
    try need(
      perceptualWeight == nil || perceptualNetwork != nil, "--perceptual-weight needs --perceptual-network.")
    try need(
      perceptualStart == nil || perceptualNetwork != nil, "--perceptual-start needs --perceptual-network.")
    try need(perceptualStart.map { $0 >= 1 } ?? true, "--perceptual-start must be at least 1.")
    try need(
      perceptualSize == nil || perceptualNetwork != nil, "--perceptual-size needs --perceptual-network.")
    try need(
      perceptualSize.map { (PerceptualLoss.smallestSide...1024).contains($0) } ?? true,
      "--perceptual-size must be from \(PerceptualLoss.smallestSide) to 1024.")
    try need(adversarialStart.map { $0 >= 0 } ?? true, "--adversarial-start must not be negative.")
    try need(
      adversarialWeight.map { $0 > 0 && $0.isFinite } ?? true,
      "--adversarial-weight must be above 0 and not infinite.")
    try need(
      lecamWeight.map { $0 > 0 && $0.isFinite } ?? true, "--lecam-weight must be above 0 and not infinite.")
    try need(
      discriminatorLearningRate.map { $0 > 0 && $0.isFinite } ?? true,
      "--discriminator-learning-rate must be above 0 and not infinite.")
    if adversarialStart == nil, let name = adversarialOptions.first {
      throw ValidationError("\(name) needs --adversarial-start.")
    }
    guard discriminator == .features else { return }
    try need(perceptualNetwork != nil, "--discriminator features needs --perceptual-network.")
    try need(discriminatorLayers == nil, "--discriminator-layers goes with --discriminator patches.")
    try need(lecamWeight == nil, "--lecam-weight goes with --discriminator patches.")
  }

  /// Names of the options that change the adversarial loss, as far as they were given.
  private var adversarialOptions: [String] {
    let options: [(String, Bool)] = [
      ("--adversarial-weight", adversarialWeight != nil), ("--adversarial-loss", adversarialLoss != nil),
      ("--adaptive-weight", adaptiveWeight), ("--lecam-weight", lecamWeight != nil),
      ("--discriminator", discriminator != nil),
      ("--discriminator-learning-rate", discriminatorLearningRate != nil),
      ("--discriminator-channels", discriminatorChannels != nil),
      ("--discriminator-layers", discriminatorLayers != nil),
    ]
    return options.filter(\.1).map(\.0)
  }

  private var patches: DiscriminatorConfiguration {
    let published = DiscriminatorConfiguration()
    return DiscriminatorConfiguration(
      channels: discriminatorChannels ?? published.channels, layers: discriminatorLayers ?? published.layers)
  }

  /// Nil for a discriminator of patches.
  private var features: FeatureDiscriminatorConfiguration? {
    guard discriminator == .features else { return nil }
    let usual = FeatureDiscriminatorConfiguration()
    return FeatureDiscriminatorConfiguration(channels: discriminatorChannels ?? usual.channels)
  }

  /// What the parameters of a discriminator of patches need, in bytes, before it is made.
  var patchesBytes: Double {
    adversarialStart == nil || features != nil ? 0 : patches.parameterBytes
  }

  /// Why images of a side cannot be trained on with these losses, or nil.
  func problem(imageSize: Int) -> String? {
    if perceptualNetwork != nil && (perceptualSize ?? imageSize) < PerceptualLoss.smallestSide {
      return
        "--perceptual-network needs images of at least \(PerceptualLoss.smallestSide) pixels, not \(imageSize); "
        + "--perceptual-size scales them"
    }
    guard adversarialStart != nil else { return nil }
    if let features { return features.problem.map { "--discriminator-channels: " + $0 } }
    return patches.problem(imageSize: imageSize).map {
      "--discriminator-channels, --discriminator-layers: " + $0
    }
  }

  /// Options of losses that start later than the steps that an estimate takes.
  var lateStarts: [String] {
    [("--adversarial-start", adversarialStart), ("--perceptual-start", perceptualStart)].compactMap {
      option, start in (start ?? 0) > 5 ? "\(option) \(start ?? 0)" : nil
    }
  }

  /// Refuses losses that would never start.
  /// - Throws: `ToolError` (usage).
  func requireStart(steps: Int) throws {
    for (option, start) in [
      ("--adversarial-start", adversarialStart), ("--perceptual-start", perceptualStart),
    ] {
      guard let start, start > steps else { continue }
      throw ToolError(
        .usage, option,
        expected: "at most \(steps), the number of steps",
        found: "\(start)",
        try: "more --steps")
    }
  }

  /// The losses, with the network of --perceptual-network; nil without any of these options.
  /// - Throws: `FormatError`, `StreamError`, and `ToolError` (usage) for images that are too small.
  func read(_ session: ToolSession, imageSize: Int, device: Device) throws -> ImageLosses? {
    guard perceptualNetwork != nil || adversarialStart != nil || reconstructionWeight != 1 else { return nil }
    if let problem = problem(imageSize: imageSize) {
      throw ToolError(
        .usage, "", expected: "networks for images of this size", found: problem,
        try: "other sizes of images or networks")
    }
    let perceptual = try perceptualNetwork.map {
      try PerceptualLoss(
        weights: session.readRecord($0), side: imageSize, comparedSide: perceptualSize, device: device)
    }
    if let perceptual { session.say("perceptual loss: \(perceptual.name)") }
    let options = ImageLosses.Options(
      pixelWeight: reconstructionWeight,
      perceptual: perceptual.map {
        ImageLosses.Perceptual(
          weight: perceptualWeight ?? 1, start: perceptualStart == 1 ? nil : perceptualStart, $0)
      },
      adversarial: adversarialStart.map {
        ImageLosses.Adversarial(
          weight: adversarialWeight ?? 0.5, start: $0, isAdaptive: adaptiveWeight,
          loss: adversarialLoss ?? .hinge, discriminator: patches, features: features,
          learningRate: discriminatorLearningRate, lecamWeight: lecamWeight)
      })
    return ImageLosses(options, perceptual: perceptual, device: device, seed: session.seed)
  }
}
