import Autograd
import NeuralNet
import StreamFormat
import TensorCore

/// The sizes of a discriminator of features.
public struct FeatureDiscriminatorConfiguration: Codable, Equatable, Sendable {
  /// Width of each head.
  public var channels: Int

  public init(channels: Int = 64) { self.channels = channels }

  /// An error text if the sizes are impossible, or nil.
  public var problem: String? {
    (1...1 << 12).contains(channels) ? nil : "\(channels) channels; 1 to 4096 are possible"
  }

  /// What a backward pass needs for one image and its reconstruction, in bytes: what is read by the heads, the outputs of
  /// their first layer before the activation and, perhaps rounded to bfloat16, after it, and the gradient by these.
  /// - Parameters:
  ///   - places: positions of each stage of the network.
  ///   - widths: its channels.
  public func trainingBytesPerImage(places: [Int], widths: [Int]) -> Double {
    zip(places, widths).reduce(0) { $0 + 2 * 4 * Double($1.0) * (Double($1.1) + 2.5 * Double(channels)) }
  }
}

/// A discriminator that sees images as a network does that was trained for something else and stays as it is (Sauer et al.,
/// Projected GANs Converge Faster, 2021): a small head for each stage of the network gives a logit for each position.
///
/// A head divides the features of a position by their root mean square, has a 1 x 1 and a 3 x 3 convolution with a leaky ReLU
/// in between, and no norm, so that images of a batch do not depend on each other.
public final class FeatureDiscriminator: Discriminator {
  /// All parameters: `heads.0.0.weight`, `heads.0.0.bias`, `heads.0.1.weight` and so on.
  public let store: ParameterStore
  private let heads: [Head]

  private struct Head {
    var ones: Variable
    var layers: [(weight: Variable, bias: Variable, geometry: ConvolutionGeometry)]
  }

  private static let slope: Float = 0.2
  private static let epsilon: Float = 1e-3

  /// Declares the parameters.
  /// - Parameter widths: channels of each stage of the network.
  public init(
    _ configuration: FeatureDiscriminatorConfiguration, widths: [Int], device: Device, seed: UInt64?
  ) {
    let store = ParameterStore(device: device, seed: seed, purpose: .discriminator)
    self.store = store
    let channels = configuration.channels
    heads = widths.enumerated().map { index, width in
      let geometries = [
        ConvolutionGeometry(inChannels: width, outChannels: channels, kernel: 1),
        ConvolutionGeometry(inChannels: channels, outChannels: 1, kernel: 3),
      ]
      let layers = geometries.enumerated().map { layer, geometry in
        let (name, inputs) = (
          "heads.\(index).\(layer)", geometry.inChannels * geometry.kernel * geometry.kernel
        )
        return (
          store.declare(name + ".weight", geometry.weightShape, .fanIn(inputs)),
          store.declare(name + ".bias", [geometry.outChannels], .zeros), geometry
        )
      }
      return Head(ones: Variable(device.full([width], 1)), layers: layers)
    }
  }

  /// Logits [B, h, w, 1] of the features [B, h, w, C] of each stage.
  public func logits(_ tape: Tape, _ seen: SeenImages, _ mode: DiscriminatorMode) -> [Variable] {
    precondition(
      seen.features.map { $0.value.lastDimension } == heads.map(\.ones.value.count),
      "FeatureDiscriminator: features \(seen.features.map(\.shape)) for \(heads.count) heads")
    return zip(seen.features, heads).map { features, head in
      var x = tape.rmsNorm(features, weight: head.ones, epsilon: Self.epsilon)
      for (index, layer) in head.layers.enumerated() {
        if index > 0 { x = tape.leakyReLU(x, slope: Self.slope) }
        x = tape.convolution(
          x, weight: mode.parameter(layer.weight), bias: mode.parameter(layer.bias), layer.geometry)
      }
      return x
    }
  }

  /// It has none.
  public func storedStatistics(prefix: String) -> [StoredTensor] { [] }
  public func loadStatistics(_ record: Record, prefix: String) throws {}
}
