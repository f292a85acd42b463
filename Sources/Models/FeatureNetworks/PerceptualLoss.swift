import Autograd
import StreamFormat
import TensorCore

/// How different images look to a network, as a loss with gradients: LPIPS, or, where its weights are not to be had, a
/// distance in SqueezeNet's features. The network is not trained.
public final class PerceptualLoss {
  /// What is measured: `lpips-vgg`, `lpips-alex` or `squeezenet perceptual distance`.
  public let name: String
  /// Hash of the network's weights (``StreamFormat/Record/weightsSHA256``).
  public let weightsSHA256: String
  /// Side to which images are scaled before the network; nil where they are compared as they are.
  public let comparedSide: Int?
  private let features: ComparedFeatures

  /// Reads a network.
  /// - Parameters:
  ///   - side: of the images, in pixels.
  ///   - comparedSide: to which they are scaled first, if at all.
  /// - Throws: `FormatError` where the record is not of such a network, or tensors are missing or misshapen.
  public init(weights record: Record, side: Int, comparedSide: Int? = nil, device: Device) throws {
    self.comparedSide = comparedSide
    try record.require(kind: .network)
    let network = try record.jsonMetadata("config", as: NetworkConfiguration.self).name
    weightsSHA256 = record.weightsSHA256
    if let trunk = PerceptualDistance.Trunk(rawValue: network) {
      name = network
      features = try PerceptualDistance(trunk, weights: record, device: device).features
    } else if network == SqueezeNet.name {
      name = "squeezenet perceptual distance"
      features = try SqueezeNet.comparedFeatures(
        NetworkWeights(record, network: network), side: comparedSide ?? side, device: device)
    } else {
      throw FormatError(
        .wrongKind, at: record.origin, expected: "the weights of lpips-vgg, lpips-alex or squeezenet-1.1",
        found: network, hint: "import-weights --as lpips-vgg makes them")
    }
  }

  /// A distance in the features of any network.
  init(name: String, weightsSHA256: String, features: ComparedFeatures) {
    (self.name, self.weightsSHA256, self.features) = (name, weightsSHA256, features)
    comparedSide = nil
  }

  /// Side of the smallest images that all networks can compare, in pixels.
  public static let smallestSide = ComparedFeatures.smallestSide

  /// The distance of each image [B, H, W, 3] to its target, [B]; pixel values run from -1 to 1.
  public func distances(_ tape: Tape, _ images: Variable, to targets: Variable) -> Variable {
    distances(tape, features(tape, images), to: features(tape, targets))
  }

  /// The same by what ``features(_:_:)`` makes of the images and of the targets.
  public func distances(_ tape: Tape, _ images: [Variable], to targets: [Variable]) -> Variable {
    features.distances(tape, images, to: targets)
  }

  /// What is compared of images [B, H, W, 3]: the output of each stage of the network, [B, h, w, C].
  public func features(_ tape: Tape, _ images: Variable) -> [Variable] {
    guard let side = comparedSide else { return features.features(tape, images) }
    return features.features(tape, tape.interpolate(images, height: side, width: side, .bilinear))
  }

  /// Channels of the output of each stage.
  public var widths: [Int] { features.stages.map(\.weights.count) }

  /// Positions of the output of each stage, for images of a side.
  public func places(size: Int) -> [Int] { features.places(side: comparedSide ?? size) }

  /// What the backward pass of one image needs, in bytes: the outputs of the convolutions for it and its target.
  public func trainingBytesPerImage(size: Int) -> Double {
    2 * 4 * Double(features.activationCount(side: comparedSide ?? size))
  }
}
