import Autograd
import Images
import StreamFormat
import TensorCore

/// LPIPS (Zhang et al., 2018), version 0.1: the distance of two images in the features of a trained trunk,
/// weighted per channel to fit human judgement. Weights come from a file of kind `network`, config name
/// `lpips-alex` or `lpips-vgg`: the trunk under torchvision's names, the heads under the `lpips` package's.
public final class PerceptualDistance {
  public enum Trunk: String, CaseIterable, Sendable {
    case alex = "lpips-alex"
    case vgg = "lpips-vgg"
  }

  public let trunk: Trunk
  /// Hash of trunk and heads (``StreamFormat/Record/weightsSHA256``).
  public let weightsSHA256: String
  /// The trunk and the heads.
  let features: ComparedFeatures
  private let device: Device

  /// Reads trunk and heads.
  /// - Throws: `FormatError` where the record is not of the trunk, or tensors are missing or misshapen.
  public convenience init(_ trunk: Trunk, weights: Record, device: Device) throws {
    try self.init(trunk, NetworkWeights(weights, network: trunk.rawValue), device: device)
  }

  /// - Parameter widths: channels of the five levels of a VGG trunk, where they are not the published ones.
  init(
    _ trunk: Trunk, _ weights: NetworkWeights, widths: [Int] = [64, 128, 256, 512, 512], device: Device
  ) throws {
    (self.trunk, self.device, weightsSHA256) = (trunk, device, weights.sha256)
    var stages: [ComparedFeatures.Stage] = []
    for (index, stage) in trunk.stages(widths: widths).enumerated() {
      var parts: [ImageGraph] = []
      if let pool = stage.pool { parts.append(.maxPool(pool)) }
      for (number, geometry) in stage.convolutions {
        parts.append(.convolution(try weights.convolution("features.\(number)", geometry, .relu, device)))
      }
      let channels = stage.convolutions[stage.convolutions.count - 1].geometry.outChannels
      let head = try weights.tensor("lin\(index).model.1.weight", [1, channels, 1, 1], device).toArray()
      stages.append(ComparedFeatures.Stage(graph: .sequence(parts), weights: head))
    }
    // As the trunks were trained.
    let scale = ChannelScale(mean: [-0.030, -0.088, -0.188], deviation: [0.458, 0.448, 0.450])
    features = ComparedFeatures(scale: scale, stages: stages)
  }

  /// The distance of each image to its partner, which has its size; 0 for equal images.
  /// - Precondition: as many partners as images, and each of its image's size, 32 pixels a side or more.
  public func distances(_ images: [RGBImage], _ partners: [RGBImage]) -> [Double] {
    precondition(
      images.count == partners.count, "distances: \(images.count) images, \(partners.count) partners")
    return zip(images, partners).map { distance($0, $1) }
  }

  private func distance(_ a: RGBImage, _ b: RGBImage) -> Double {
    precondition(
      a.width == b.width && a.height == b.height && min(a.width, a.height) >= ComparedFeatures.smallestSide,
      "distance: sizes differ")
    let tape = Tape(device: device, isRecording: false)
    return Double(features.distances(tape, pixels(a), pixels(b)).value.scalar)
  }

  /// An image as [1, H, W, 3] from -1 to 1.
  private func pixels(_ image: RGBImage) -> Variable {
    Variable(device.tensor(image.pixels.map { Float($0) / 127.5 - 1 }, [1, image.height, image.width, 3]))
  }
}

extension PerceptualDistance.Trunk {
  /// A part of the trunk that ends where features are compared: pooling, and convolutions by their place in
  /// torchvision's list of layers.
  fileprivate struct Stage {
    var pool: PoolingWindow?
    var convolutions: [(number: Int, geometry: ConvolutionGeometry)]
  }

  /// - Parameter widths: channels of the levels of `vgg`.
  fileprivate func stages(widths: [Int]) -> [Stage] {
    switch self {
    case .alex:
      let pool = PoolingWindow(kernel: 3, stride: 2)
      func layer(
        _ number: Int, _ inputs: Int, _ outputs: Int, kernel: Int = 3, stride: Int = 1, pad: Int? = nil
      )
        -> [(Int, ConvolutionGeometry)]
      {
        [
          (
            number,
            ConvolutionGeometry(
              inChannels: inputs, outChannels: outputs, kernel: kernel, stride: stride, padBefore: pad,
              padAfter: pad)
          )
        ]
      }
      return [
        Stage(convolutions: layer(0, 3, 64, kernel: 11, stride: 4, pad: 2)),
        Stage(pool: pool, convolutions: layer(3, 64, 192, kernel: 5)),
        Stage(pool: pool, convolutions: layer(6, 192, 384)),
        Stage(convolutions: layer(8, 384, 256)), Stage(convolutions: layer(10, 256, 256)),
      ]
    case .vgg:
      let levels = zip([[0, 2], [5, 7], [10, 12, 14], [17, 19, 21], [24, 26, 28]], widths)
      var inputs = 3
      return levels.enumerated().map { level, layers in
        let convolutions = layers.0.map { number in
          defer { inputs = layers.1 }
          return (number, ConvolutionGeometry(inChannels: inputs, outChannels: layers.1, kernel: 3))
        }
        return Stage(pool: level == 0 ? nil : PoolingWindow(kernel: 2, stride: 2), convolutions: convolutions)
      }
    }
  }
}
