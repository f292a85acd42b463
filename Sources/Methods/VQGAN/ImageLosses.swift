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

    /// A distance with a weight.
    public init(weight: Float, _ loss: PerceptualLoss) {
      (self.weight, name, weightsSHA256) = (weight, loss.name, loss.weightsSHA256)
      side = loss.comparedSide
    }
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
    /// The discriminator's sizes.
    public var discriminator: DiscriminatorConfiguration
    /// The discriminator's peak learning rate; nil for that of the autoencoder.
    public var learningRate: Double?
    /// LeCAM's regularisation of the discriminator, where it is on.
    var lecam: LeCAM.Options?

    /// LlamaGen's settings but for the start.
    /// - Parameters:
    ///   - learningRate: the discriminator's; nil for that of the autoencoder.
    ///   - lecamWeight: of LeCAM's regularisation; nil for none.
    public init(
      weight: Float = 0.5, start: Int, isAdaptive: Bool = false, loss: AdversarialLoss = .hinge,
      discriminator: DiscriminatorConfiguration = DiscriminatorConfiguration(),
      learningRate: Double? = nil, lecamWeight: Float? = nil
    ) {
      (self.weight, self.start, self.isAdaptive) = (weight, start, isAdaptive)
      (self.loss, self.discriminator, self.learningRate) = (loss, discriminator, learningRate)
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
  }

  /// Weights and sizes.
  public let options: Options
  /// The network that is trained against the autoencoder, where the adversarial loss is on.
  public let discriminator: PatchDiscriminator?
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
      PatchDiscriminator($0.discriminator, device: device, seed: seed)
    }
    lecam = options.adversarial?.lecam.map { LeCAM($0) }
  }

  /// What the backward passes of one image need, in bytes: one network after the other.
  public func trainingBytesPerImage(size: Int) -> Double {
    max(
      perceptual?.trainingBytesPerImage(size: size) ?? 0,
      options.adversarial?.discriminator.trainingBytesPerImage(size: size) ?? 0)
  }

  /// The losses of reconstructions [B, H, W, 3] of images, and their gradient.
  /// - Parameters:
  ///   - step: counted from 1.
  ///   - lastLayer: from a gradient by the reconstructions to that by the weight of the decoder's last layer.
  public func generator(
    _ reconstructions: Tensor, of images: Tensor, pixels kind: ReconstructionLoss, step: Int,
    lastLayer: (Tensor) -> Tensor
  ) -> Result {
    let likeness = likeness(reconstructions, images, kind)
    guard let adversarial = options.adversarial, adversarial.isOpen(step), let discriminator else {
      return likeness
    }
    let (tape, fake) = (Tape(device: device), Variable(reconstructions, requiresGradient: true))
    let loss = adversarial.loss.generator(tape, fake: discriminator.logits(tape, fake, .generator))
    tape.backward(from: loss)
    guard let gradient = fake.gradient else {
      preconditionFailure("ImageLosses: no gradient of the generator")
    }
    var values = likeness.values.merging(["generator_loss": Double(loss.value.scalar)]) { $1 }
    var weight = adversarial.weight
    if adversarial.isAdaptive {
      let factor = adaptiveWeight(
        likeness: lastLayer(likeness.gradient), generator: lastLayer(gradient), device)
      values["adaptive_weight"] = factor
      weight *= Float(factor)
    }
    let total = Tape(device: device, isRecording: false).combination(
      1, Variable(likeness.gradient), weight, Variable(gradient))
    return Result(
      gradient: total.value, loss: likeness.loss + Double(weight) * Double(loss.value.scalar), values: values)
  }

  /// Pixels and perception.
  private func likeness(_ reconstructions: Tensor, _ images: Tensor, _ kind: ReconstructionLoss) -> Result {
    let (tape, x, target) = (
      Tape(device: device), Variable(reconstructions, requiresGradient: true), Variable(images)
    )
    let error = tape.meanError(x, target, kind)
    var terms = [(error, options.pixelWeight)]
    var values = ["reconstruction_loss": Double(error.value.scalar)]
    if let perceptual, let weight = options.perceptual?.weight {
      let distance = tape.mean(perceptual.distances(tape, x, to: target))
      terms.append((distance, weight))
      values["perceptual_loss"] = Double(distance.value.scalar)
    }
    let loss = tape.weightedSum(terms)
    tape.backward(from: loss)
    guard let gradient = x.gradient else { preconditionFailure("ImageLosses: no gradient of the pixels") }
    return Result(gradient: gradient, loss: Double(loss.value.scalar), values: values)
  }

  /// The discriminator's loss on images and their reconstructions, [B, H, W, 3]; its gradients are left in its store.
  /// Before the start nothing is computed, and the discriminator stays as it is.
  /// - Parameter step: counted from 1.
  /// - Returns: values for logs.
  public func trainDiscriminator(_ reconstructions: Tensor, of images: Tensor, step: Int) -> [String: Double]
  {
    guard let adversarial = options.adversarial, adversarial.isOpen(step), let discriminator else {
      return [:]
    }
    let tape = Tape(device: device)
    let real = discriminator.logits(tape, Variable(images), .discriminator)
    let fake = discriminator.logits(tape, Variable(reconstructions), .discriminator)
    let loss = adversarial.loss.discriminator(tape, real: real, fake: fake)
    let regularization = lecam?.loss(tape, real: real, fake: fake)
    var terms = [(term: loss, weight: Float(1))]
    if let regularization, let options = lecam?.options { terms.append((regularization, options.weight)) }
    tape.backward(from: tape.weightedSum(terms), scale: adversarial.weight)
    let quiet = Tape(device: device, isRecording: false)
    var values = [
      "discriminator_loss": Double(loss.value.scalar), "logits_real": Double(quiet.mean(real).value.scalar),
      "logits_fake": Double(quiet.mean(fake).value.scalar),
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
