import Autograd
import Images
import TensorCore

/// SqueezeNet 1.1 (Iandola et al., 2016), trained on ImageNet: eight fire modules; the features are the means of the
/// last one's 512 channels.
final class SqueezeNet: FeatureNetwork {
  static let name = "squeezenet-1.1"
  let name: String = SqueezeNet.name
  let weightsSHA256: String
  let featureCount = 512
  let resize: String
  private let input: ImageInput
  private let trunk: ImageGraph
  private let classifier: (weight: Tensor, bias: Tensor)
  private let device: Device

  /// Squeezed width and width of each expanded half, by module; nil is a pooling layer.
  private static let modules: [(squeeze: Int, expand: Int)?] = [
    nil, (16, 64), (16, 64), nil, (32, 128), (32, 128), nil, (48, 192), (48, 192), (64, 256), (64, 256),
  ]

  /// - Parameter side: pixels that images are scaled to; features compare at one side only.
  init(_ weights: NetworkWeights, side: Int = 128, device: Device) throws {
    self.device = device
    weightsSHA256 = weights.sha256
    resize = "Pillow bicubic to \(side) x \(side), BGR minus (103.939, 116.779, 123.68)"
    input = ImageInput(side: side, mean: (103.939, 116.779, 123.68), scale: 1, isBGR: true)
    trunk = try Self.makeTrunk(weights, side: side, device)
    classifier = (
      try weights.tensor("conv10.weight", [1000, 512, 1, 1], device).reshaped([1000, 512]),
      try weights.tensor("conv10.bias", [1000], device)
    )
  }

  private static func makeTrunk(_ weights: NetworkWeights, side: Int, _ device: Device) throws -> ImageGraph {
    .sequence(try makeParts(weights, side: side, device).map(\.graph))
  }

  /// The layers one after the other, and the number of channels after those that perceptual distances look at.
  private static func makeParts(
    _ weights: NetworkWeights, side: Int, _ device: Device
  ) throws -> [(graph: ImageGraph, compared: Int?)] {
    func convolution(_ name: String, _ inputs: Int, _ outputs: Int, kernel: Int) throws -> ImageGraph {
      let geometry = ConvolutionGeometry(inChannels: inputs, outChannels: outputs, kernel: kernel)
      return .convolution(try weights.convolution(name, geometry, .relu, device))
    }
    let same = samePadding(side, kernel: 3, stride: 2)
    let first = ConvolutionGeometry(
      inChannels: 3, outChannels: 64, kernel: 3, stride: 2, padBefore: same.before, padAfter: same.after)
    var parts: [(graph: ImageGraph, compared: Int?)] = [
      (.convolution(try weights.convolution("conv1", first, .relu, device)), 64)
    ]
    var (width, number) = (64, 2)
    for module in modules {
      guard let (squeeze, expand) = module else {
        parts.append((.maxPool(PoolingWindow(kernel: 3, stride: 2)), nil))
        continue
      }
      let name = "fire\(number)/"
      parts.append((try convolution(name + "squeeze1x1", width, squeeze, kernel: 1), nil))
      let expanded = ImageGraph.branches([
        try convolution(name + "expand1x1", squeeze, expand, kernel: 1),
        try convolution(name + "expand3x3", squeeze, expand, kernel: 3),
      ])
      parts.append((expanded, comparedModules.contains(number) ? 2 * expand : nil))
      (width, number) = (2 * expand, number + 1)
    }
    return parts
  }

  /// Modules after which the lpips package compares the features of this network; it compares those of the first
  /// convolution too.
  private static let comparedModules: Set = [3, 5, 6, 7, 8, 9]

  /// The features that a perceptual distance compares: after the same layers as in the lpips package, but all channels
  /// count the same, and the distance is the mean over the layers, because there are no trained weights for them.
  /// - Parameter side: of the images, in pixels; they are not resized.
  static func comparedFeatures(_ weights: NetworkWeights, side: Int, device: Device) throws
    -> ComparedFeatures
  {
    var (stages, graph): ([ComparedFeatures.Stage], [ImageGraph]) = ([], [])
    let count = Float(comparedModules.count + 1)
    // The network wants blue first: the channels of an image are turned around before it.
    graph.append(.reversedChannels)
    for part in try makeParts(weights, side: side, device) {
      graph.append(part.graph)
      guard let channels = part.compared else { continue }
      stages.append(
        ComparedFeatures.Stage(
          graph: .sequence(graph), weights: [Float](repeating: 1 / count, count: channels)))
      graph = []
    }
    // From -1...1 to 0...255 less the means of red, green and blue.
    let means: [Float] = [123.68, 116.779, 103.939]
    return ComparedFeatures(
      scale: ChannelScale(mean: means.map { $0 / 127.5 - 1 }, deviation: means.map { _ in 1 / 127.5 }),
      stages: stages)
  }

  func extract(_ images: [RGBImage]) -> FeatureBatch {
    let outputs = forImages(images, side: input.side, widths: [512, 1000], device) { image, pixels in
      input.write(image.resized(width: input.side, height: input.side, filter: .bicubic), into: pixels)
    } network: { x in
      // The classifier is a 1 x 1 convolution before the mean. Both are linear, so it is computed after the
      // mean.
      let features = meanOverPlaces(trunk.apply(x, device), device)
      return [features, linear(features, weight: classifier.weight, bias: classifier.bias, device)]
    }
    return FeatureBatch(features: outputs[0], logits: outputs[1])
  }
}

/// TensorFlow's `SAME`: as many outputs as strides begin in the input, the odd zero behind.
func samePadding(_ size: Int, kernel: Int, stride: Int) -> (before: Int, after: Int) {
  let total = max(((size + stride - 1) / stride - 1) * stride + kernel - size, 0)
  return (total / 2, total - total / 2)
}
