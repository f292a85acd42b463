import Autograd
import FeatureNetworks
import ImageModels
import StreamFormat
import TensorCore

/// What a reconstruction is trained on beside the quantiser's losses: its pixels, how it looks to a network, and whether a
/// discriminator takes it for a real image (VQGAN; weights and gate are LlamaGen's).
///
/// The losses see finished images. They give the gradient by them, from which the tape of the autoencoder goes on.
public final class ImageLosses {
  /// The weights of the losses, and the discriminator.
  public struct Options: Codable, Equatable, Sendable {
    /// Weight of the pixels' error.
    public var pixelWeight: Float
    /// The perceptual loss, where it is on.
    public var perceptual: Perceptual?
    /// The adversarial loss, where it is on.
    public var adversarial: Adversarial?

    /// Pixels alone unless more is given.
    public init(pixelWeight: Float = 1, perceptual: Perceptual? = nil, adversarial: Adversarial? = nil) {
      (self.pixelWeight, self.perceptual, self.adversarial) = (pixelWeight, perceptual, adversarial)
    }
  }

  /// The perceptual loss.
  public struct Perceptual: Codable, Equatable, Sendable {
    /// Weight of the mean distance.
    public var weight: Float
    /// What is measured, as ``FeatureNetworks/PerceptualLoss/name`` says it.
    public var name: String
    /// Hash of the network's weights.
    public var weightsSHA256: String
    /// Side to which images are scaled before they are compared; nil for their own.
    public var side: Int?
    /// First step, counted from 1, in which the distance counts; nil for all.
    public var start: Int?

    /// A distance with a weight.
    public init(weight: Float, start: Int? = nil, _ loss: PerceptualLoss) {
      (self.weight, self.start, name, weightsSHA256) = (weight, start, loss.name, loss.weightsSHA256)
      side = loss.comparedSide
    }

    /// Whether the distance counts in a step, counted from 1.
    func isOpen(_ step: Int) -> Bool { step >= start ?? 1 }
  }

  /// The adversarial loss.
  public struct Adversarial: Codable, Equatable, Sendable {
    /// Weight of the loss of both networks.
    public var weight: Float
    /// First step, counted from 1, in which the discriminator is trained and counts.
    public var start: Int
    /// Whether the generator's part is scaled so that its gradient at the decoder's last layer is as long as that of
    /// pixels and perception together.
    public var isAdaptive: Bool
    /// The losses by logits.
    public var loss: AdversarialLoss
    /// The sizes of a discriminator of patches; nil where ``features`` has those of the discriminator.
    public var discriminator: DiscriminatorConfiguration?
    /// The sizes of a discriminator of the features of the perceptual loss's network.
    public var features: FeatureDiscriminatorConfiguration?
    /// The discriminator's peak learning rate; nil for that of the autoencoder.
    public var learningRate: Double?
    /// LeCAM's regularisation of the discriminator, where it is on.
    var lecam: LeCAM.Options?

    /// LlamaGen's settings but for the start.
    /// - Parameters:
    ///   - features: sizes of a discriminator of features, in place of the one of patches.
    ///   - learningRate: the discriminator's; nil for that of the autoencoder.
    ///   - lecamWeight: of LeCAM's regularisation; nil for none.
    public init(
      weight: Float = 0.5, start: Int, isAdaptive: Bool = false, loss: AdversarialLoss = .hinge,
      discriminator: DiscriminatorConfiguration = DiscriminatorConfiguration(),
      features: FeatureDiscriminatorConfiguration? = nil, learningRate: Double? = nil,
      lecamWeight: Float? = nil
    ) {
      (self.weight, self.start, self.isAdaptive) = (weight, start, isAdaptive)
      (self.loss, self.learningRate) = (loss, learningRate)
      (self.discriminator, self.features) = (features == nil ? discriminator : nil, features)
      lecam = lecamWeight.map { LeCAM.Options(weight: $0) }
    }

    /// Whether the loss counts in a step, counted from 1.
    func isOpen(_ step: Int) -> Bool { step >= start }
  }

  /// The losses of a batch of reconstructions.
  public struct Result {
    /// Gradient of ``loss`` by the reconstructions.
    public let gradient: Tensor
    /// All terms with their weights.
    public let loss: Double
    /// The terms without their weights, for logs.
    public let values: [String: Double]
    /// What the stages of the perceptual network made of the images and of the reconstructions, where the discriminator
    /// looks at that.
    fileprivate let features: (real: [Tensor], fake: [Tensor])
  }

  /// Weights and sizes.
  public let options: Options
  /// The network that is trained against the autoencoder, where the adversarial loss is on.
  public let discriminator: (any Discriminator)?
  private let perceptual: PerceptualLoss?
  private var lecam: LeCAM?
  private let device: Device

  /// - Parameters:
  ///   - perceptual: the network of the options.
  ///   - seed: of the discriminator's start.
  public init(_ options: Options, perceptual: PerceptualLoss?, device: Device, seed: UInt64) {
    precondition(
      perceptual?.weightsSHA256 == options.perceptual?.weightsSHA256, "ImageLosses: another network")
    (self.options, self.perceptual, self.device) = (options, perceptual, device)
    discriminator = options.adversarial.map {
      Self.discriminator($0, perceptual, device: device, seed: seed)
    }
    lecam = options.adversarial?.lecam.map { LeCAM($0) }
    precondition(
      lecam == nil || options.adversarial?.features == nil, "ImageLosses: LeCAM needs one tensor of logits")
  }

  private static func discriminator(
    _ options: Adversarial, _ perceptual: PerceptualLoss?, device: Device, seed: UInt64
  ) -> any Discriminator {
    if let sizes = options.discriminator { return PatchDiscriminator(sizes, device: device, seed: seed) }
    guard let sizes = options.features, let perceptual else {
      preconditionFailure("ImageLosses: a discriminator of features without a network")
    }
    return FeatureDiscriminator(sizes, widths: perceptual.widths, device: device, seed: seed)
  }

  /// What the backward passes of one image need, in bytes: of all networks in one pass, or, with the adaptive weight, of one
  /// after the other.
  public func trainingBytesPerImage(size: Int) -> Double {
    let (seeing, adversarial) = (perceptual?.trainingBytesPerImage(size: size) ?? 0, options.adversarial)
    let heads = perceptual.flatMap { network in
      adversarial?.features?.trainingBytesPerImage(places: network.places(size: size), widths: network.widths)
    }
    let looking = seeing + (heads ?? 0)
    let patches = adversarial?.discriminator?.trainingBytesPerImage(size: size) ?? 0
    return adversarial?.isAdaptive == true ? max(looking, patches) : looking + patches
  }

  /// The losses of reconstructions [B, H, W, 3] of images, and their gradient.
  /// - Parameters:
  ///   - step: counted from 1.
  ///   - lastLayer: from a gradient by the reconstructions to that by the weight of the decoder's last layer.
  public func generator(
    _ reconstructions: Tensor, of images: Tensor, pixels kind: ReconstructionLoss, step: Int,
    lastLayer: (Tensor) -> Tensor
  ) -> Result {
    let adversarial = options.adversarial.flatMap { $0.isOpen(step) ? $0 : nil }
    // One pass for everything, unless lengths of gradients are compared.
    let joined = adversarial.flatMap { $0.isAdaptive ? nil : $0 }
    let likeness = likeness(reconstructions, images, kind, with: joined, step: step)
    guard let adversarial, adversarial.isAdaptive, let discriminator else { return likeness }
    let (tape, fake) = (Tape(device: device), Variable(reconstructions, requiresGradient: true))
    let logits = discriminator.logits(tape, seen(tape, fake, adversarial), .generator)
    let loss = adversarial.loss.generator(tape, fake: logits)
    let gradient = gradient(of: loss, by: fake, tape)
    let factor = adaptiveWeight(
      likeness: lastLayer(likeness.gradient), generator: lastLayer(gradient), device)
    let weight = adversarial.weight * Float(factor)
    let total = Tape(device: device, isRecording: false).combination(
      1, Variable(likeness.gradient), weight, Variable(gradient))
    let generatorLoss = Double(loss.value.scalar)
    return Result(
      gradient: total.value, loss: likeness.loss + Double(weight) * generatorLoss,
      values: likeness.values.merging(["generator_loss": generatorLoss, "adaptive_weight": factor]) { $1 },
      features: likeness.features)
  }

  /// Pixels and perception, and the generator's loss of `adversarial` where that is given.
  private func likeness(
    _ reconstructions: Tensor, _ images: Tensor, _ kind: ReconstructionLoss, with adversarial: Adversarial?,
    step: Int
  ) -> Result {
    let (tape, x, target) = (
      Tape(device: device), Variable(reconstructions, requiresGradient: true), Variable(images)
    )
    let error = tape.meanError(x, target, kind)
    var terms = [(error, options.pixelWeight)]
    var values = ["reconstruction_loss": Double(error.value.scalar)]
    // The discriminator of features looks at both, whatever the loss of the tokenizer.
    let isLookedAt = options.adversarial.map { $0.features != nil && $0.isOpen(step) } ?? false
    // Without a weight the distance is for the log alone, which is not worth a pass over the network.
    let alike = options.perceptual.flatMap {
      $0.isOpen(step) && ($0.weight != 0 || isLookedAt) ? $0 : nil
    }
    let network = alike != nil || isLookedAt ? perceptual : nil
    let fake = SeenImages(x, features: network?.features(tape, x) ?? [])
    let real = network?.features(tape, target) ?? []
    if let alike, let network {
      let distance = tape.mean(network.distances(tape, fake.features, to: real))
      if alike.weight != 0 { terms.append((distance, alike.weight)) }
      values["perceptual_loss"] = Double(distance.value.scalar)
    }
    if let adversarial, let discriminator {
      let loss = adversarial.loss.generator(tape, fake: discriminator.logits(tape, fake, .generator))
      terms.append((loss, adversarial.weight))
      values["generator_loss"] = Double(loss.value.scalar)
    }
    let loss = tape.weightedSum(terms)
    return Result(
      gradient: gradient(of: loss, by: x, tape), loss: Double(loss.value.scalar), values: values,
      features: isLookedAt
        ? (real: real.map(\.value), fake: fake.features.map(\.value)) : (real: [], fake: []))
  }

  private func gradient(of loss: Variable, by images: Variable, _ tape: Tape) -> Tensor {
    tape.backward(from: loss)
    guard let gradient = images.gradient else {
      preconditionFailure("ImageLosses: no gradient of the reconstructions")
    }
    return gradient
  }

  /// What the discriminator of some options looks at.
  private func seen(_ tape: Tape, _ images: Variable, _ adversarial: Adversarial) -> SeenImages {
    let features = adversarial.features == nil ? nil : perceptual?.features(tape, images)
    return SeenImages(images, features: features ?? [])
  }

  /// The discriminator's loss on images and their reconstructions, [B, H, W, 3]; its gradients are left in its store.
  /// Before the start nothing is computed, and the discriminator stays as it is.
  /// - Parameters:
  ///   - result: of the same reconstructions, whose features are not computed twice.
  ///   - step: counted from 1.
  /// - Returns: values for logs.
  public func trainDiscriminator(
    _ reconstructions: Tensor, of images: Tensor, after result: Result, step: Int
  ) -> [String: Double] {
    guard let adversarial = options.adversarial, adversarial.isOpen(step), let discriminator else {
      return [:]
    }
    let tape = Tape(device: device)
    func logits(_ images: Tensor, _ features: [Tensor]) -> [Variable] {
      let seen = SeenImages(Variable(images), features: features.map { Variable($0) })
      return discriminator.logits(tape, seen, .discriminator)
    }
    let real = logits(images, result.features.real)
    let fake = logits(reconstructions, result.features.fake)
    let loss = adversarial.loss.discriminator(tape, real: real, fake: fake)
    let regularization = lecam?.loss(tape, real: real[0], fake: fake[0])
    var terms = [(term: loss, weight: Float(1))]
    if let regularization, let options = lecam?.options { terms.append((regularization, options.weight)) }
    tape.backward(from: tape.weightedSum(terms), scale: adversarial.weight)
    let quiet = Tape(device: device, isRecording: false)
    func mean(_ logits: [Variable]) -> Double {
      logits.map { Double(quiet.mean($0).value.scalar) }.reduce(0, +) / Double(logits.count)
    }
    var values = [
      "discriminator_loss": Double(loss.value.scalar), "logits_real": mean(real), "logits_fake": mean(fake),
    ]
    values["lecam_loss"] = regularization.map { Double($0.value.scalar) }
    return values
  }
}

/// VQGAN's adaptive weight: how many times longer one gradient is than another at the decoder's last
/// layer, from 0 to 10000.
func adaptiveWeight(likeness: Tensor, generator: Tensor, _ device: Device) -> Double {
  func length(_ x: Tensor) -> Double { device.sumOfSquares(x).squareRoot() }
  return min(max(length(likeness) / (length(generator) + 1e-4), 0), 1e4)
}

// MARK: Checkpoints

extension ImageLosses {
  /// The discriminator's running statistics and LeCAM's averages; its parameters are the training loop's.
  public var state: [StoredTensor] {
    (discriminator?.storedStatistics(prefix: Self.prefix) ?? []) + (lecam.map { [$0.state] } ?? [])
  }

  /// Restores them.
  /// - Throws: `FormatError`.
  public func restore(_ record: Record) throws {
    try discriminator?.loadStatistics(record, prefix: Self.prefix)
    try lecam?.restore(record)
  }

  private static let prefix = "task.discriminator."
}
