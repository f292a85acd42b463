import Autograd
import Images
import TensorCore

/// EfficientNet-Lite0 (TensorFlow, 2020), trained on ImageNet: inverted bottlenecks with ReLU6 and without squeeze and
/// excitation; the features are the means of the head's 1280 channels.
final class EfficientNetLite0: FeatureNetwork {
  static let name = "efficientnet-lite0"
  let name: String = EfficientNetLite0.name
  let weightsSHA256: String
  let featureCount = 1280
  let resize: String
  private let input: ImageInput
  private let trunk: ImageGraph
  private let classifier: (weight: Tensor, bias: Tensor)
  private let device: Device

  /// A row of the paper's table: repeats of a block, its kernel, the first one's stride, expansion and width.
  private static let stages: [(repeats: Int, kernel: Int, stride: Int, expansion: Int, width: Int)] = [
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
  ]

  /// - Parameter side: pixels that images are scaled to; the network was trained at 224.
  init(_ weights: NetworkWeights, side: Int = 224, device: Device) throws {
    self.device = device
    weightsSHA256 = weights.sha256
    resize = "Pillow bicubic to \(side) x \(side), (x - 127) / 128"
    input = ImageInput(side: side, mean: (127, 127, 127), scale: 128)
    let builder = LiteBuilder(weights: weights, device: device)
    trunk = try Self.makeTrunk(builder, side: side)
    classifier = (
      try weights.tensor("_fc.weight", [1000, 1280], device), try weights.tensor("_fc.bias", [1000], device)
    )
  }

  private static func makeTrunk(_ builder: LiteBuilder, side: Int) throws -> ImageGraph {
    var side = side
    let stem = samePadding(side, kernel: 3, stride: 2)
    let first = ConvolutionGeometry(
      inChannels: 3, outChannels: 32, kernel: 3, stride: 2, padBefore: stem.before, padAfter: stem.after)
    var parts = [try builder.convolution("_conv_stem", "_bn0", first, .relu6)]
    var (width, number) = (32, 0)
    side = (side + 1) / 2
    for stage in stages {
      for index in 0..<stage.repeats {
        let stride = index == 0 ? stage.stride : 1
        let block = try builder.block(
          "_blocks.\(number).", side: side, inputs: width, expansion: stage.expansion, outputs: stage.width,
          kernel: stage.kernel, stride: stride)
        parts.append(stride == 1 && width == stage.width ? .residual(block) : block)
        side = (side + stride - 1) / stride
        (width, number) = (stage.width, number + 1)
      }
    }
    let head = ConvolutionGeometry(inChannels: width, outChannels: 1280, kernel: 1)
    parts.append(try builder.convolution("_conv_head", "_bn1", head, .relu6))
    return .sequence(parts)
  }

  func extract(_ images: [RGBImage]) -> FeatureBatch {
    let outputs = forImages(images, side: input.side, widths: [1280, 1000], device) { image, pixels in
      input.write(image.resized(width: input.side, height: input.side, filter: .bicubic), into: pixels)
    } network: { x in
      let features = meanOverPlaces(trunk.apply(x, device), device)
      return [features, linear(features, weight: classifier.weight, bias: classifier.bias, device)]
    }
    return FeatureBatch(features: outputs[0], logits: outputs[1])
  }
}

/// Makes the layers of EfficientNet-Lite from its weights.
private struct LiteBuilder {
  let weights: NetworkWeights
  let device: Device
  let epsilon = 1e-3

  func convolution(
    _ name: String, _ norm: String, _ geometry: ConvolutionGeometry,
    _ activation: ConvolutionWeights.Activation
  ) throws -> ImageGraph {
    .convolution(
      try weights.convolution(name, normalizedBy: norm, epsilon: epsilon, geometry, activation, device))
  }

  /// Expansion by a 1 x 1 convolution (where it widens), depthwise convolution, projection.
  func block(
    _ name: String, side: Int, inputs: Int, expansion: Int, outputs: Int, kernel: Int, stride: Int
  ) throws -> ImageGraph {
    let width = inputs * expansion
    var parts: [ImageGraph] = []
    if expansion > 1 {
      let geometry = ConvolutionGeometry(inChannels: inputs, outChannels: width, kernel: 1)
      parts.append(try convolution(name + "_expand_conv", name + "_bn0", geometry, .relu6))
    }
    parts.append(try depthwise(name, side: side, width: width, kernel: kernel, stride: stride))
    let geometry = ConvolutionGeometry(inChannels: width, outChannels: outputs, kernel: 1)
    parts.append(try convolution(name + "_project_conv", name + "_bn2", geometry, .none))
    return .sequence(parts)
  }

  private func depthwise(_ name: String, side: Int, width: Int, kernel: Int, stride: Int) throws -> ImageGraph
  {
    let stored = try weights.tensor(name + "_depthwise_conv.weight", [width, 1, kernel, kernel], device)
    let bias = try weights.fold(name + "_bn1", epsilon: epsilon, into: stored, device)
    // Channels last, as the images are.
    let weight = device.empty([kernel, kernel, width])
    for c in 0..<width {
      for k in 0..<kernel * kernel { weight.pointer[k * width + c] = stored.pointer[c * kernel * kernel + k] }
    }
    let same = samePadding(side, kernel: kernel, stride: stride)
    let window = PoolingWindow(kernel: kernel, stride: stride, padBefore: same.before, padAfter: same.after)
    return .depthwise(DepthwiseConvolution(window: window, weight: weight, bias: bias, upper: 6))
  }
}
