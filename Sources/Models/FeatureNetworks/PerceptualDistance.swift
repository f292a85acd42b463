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
  /// The trunk, cut where features are compared.
  private let stages: [ImageGraph]
  /// A weight for each channel of each stage.
  private let heads: [[Float]]
  private let device: Device

  /// Reads trunk and heads.
  /// - Throws: `FormatError` where the record is not of the trunk, or tensors are missing or misshapen.
  public convenience init(_ trunk: Trunk, weights: Record, device: Device) throws {
    try self.init(trunk, NetworkWeights(weights, network: trunk.rawValue), device: device)
  }

  init(_ trunk: Trunk, _ weights: NetworkWeights, device: Device) throws {
    (self.trunk, self.device, weightsSHA256) = (trunk, device, weights.sha256)
    var stages: [ImageGraph] = []
    var heads: [[Float]] = []
    for (index, stage) in trunk.stages.enumerated() {
      var parts: [ImageGraph] = []
      if let pool = stage.pool { parts.append(.maxPool(pool)) }
      for (number, geometry) in stage.convolutions {
        parts.append(.convolution(try weights.convolution("features.\(number)", geometry, .relu, device)))
      }
      stages.append(.sequence(parts))
      let channels = stage.convolutions[stage.convolutions.count - 1].geometry.outChannels
      heads.append(try weights.tensor("lin\(index).model.1.weight", [1, channels, 1, 1], device).toArray())
    }
    (self.stages, self.heads) = (stages, heads)
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
      a.width == b.width && a.height == b.height && min(a.width, a.height) >= 32, "distance: sizes differ")
    var x = device.empty([2, a.height, a.width, 3])
    write(a, into: x.pointer)
    write(b, into: x.pointer + a.pixels.count)
    var total = 0.0
    for (stage, head) in zip(stages, heads) {
      x = stage.apply(x, device)
      total += difference(x, head)
    }
    return total
  }

  /// -1...1, then shifted and scaled by channel as the trunks were trained.
  private func write(_ image: RGBImage, into target: UnsafeMutablePointer<Float>) {
    let shift: [Float] = [-0.030, -0.088, -0.188]
    let scale: [Float] = [0.458, 0.448, 0.450]
    for (i, value) in image.pixels.enumerated() {
      target[i] = (Float(value) / 127.5 - 1 - shift[i % 3]) / scale[i % 3]
    }
  }

  /// The mean over places of the weighted squared difference of the two images' features, each place's features
  /// scaled to length 1.
  private func difference(_ x: Tensor, _ head: [Float]) -> Double {
    let channels = head.count
    let places = x.count / 2 / channels
    var total = 0.0
    for place in 0..<places {
      let (a, b) = (x.pointer + place * channels, x.pointer + (places + place) * channels)
      let (scaleA, scaleB) = (inverseLength(a, channels), inverseLength(b, channels))
      for c in 0..<channels {
        let difference = Double(a[c]) * scaleA - Double(b[c]) * scaleB
        total += Double(head[c]) * difference * difference
      }
    }
    return total / Double(places)
  }

  private func inverseLength(_ x: UnsafePointer<Float>, _ count: Int) -> Double {
    var sum = 0.0
    for i in 0..<count { sum += Double(x[i]) * Double(x[i]) }
    return 1 / (sum.squareRoot() + 1e-10)
  }
}

extension PerceptualDistance.Trunk {
  /// A part of the trunk that ends where features are compared: pooling, and convolutions by their place in
  /// torchvision's list of layers.
  fileprivate struct Stage {
    var pool: PoolingWindow?
    var convolutions: [(number: Int, geometry: ConvolutionGeometry)]
  }

  fileprivate var stages: [Stage] {
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
      let levels = [
        ([0, 2], 64), ([5, 7], 128), ([10, 12, 14], 256), ([17, 19, 21], 512), ([24, 26, 28], 512),
      ]
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
