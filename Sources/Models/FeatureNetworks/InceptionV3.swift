import Images
import TensorCore

/// Inception-v3 as in the TensorFlow graph of 2015-12-05, the network that FID, sFID and the inception score are
/// defined by. Parameters have the names that PyTorch ports of the graph gave them.
///
/// What sets it apart from other Inception-v3 networks: 1008 logits; average pooling that leaves the padding out;
/// maximum pooling in the last block; TensorFlow 1's bilinear resize, without half-pixel centres or antialiasing.
final class InceptionV3: FeatureNetwork {
  static let name = "inception-v3"
  static let side = 299
  /// sFID takes the first 7 channels of `mixed_6/conv`, the 1 x 1 branch and so the first channels of Mixed_6d, in
  /// the graph's order [17, 17, 7].
  static let spatialShape = (side: 17, channels: 7)
  let name: String = InceptionV3.name
  let weightsSHA256: String
  let resize = "TensorFlow 1 bilinear to 299 x 299 without antialiasing, (x - 128) / 128"
  let featureCount = 2048
  private let beforeSpatial: ImageGraph
  private let afterSpatial: ImageGraph
  /// [1008, 2048]; the inception score leaves the bias out.
  private let classifier: Tensor
  private let device: Device

  init(_ weights: NetworkWeights, device: Device) throws {
    self.device = device
    weightsSHA256 = weights.sha256
    let builder = InceptionBuilder(weights: weights, device: device)
    beforeSpatial = .sequence([
      try builder.stem(), try builder.blockA("Mixed_5b", 192, pool: 32),
      try builder.blockA("Mixed_5c", 256, pool: 64),
      try builder.blockA("Mixed_5d", 288, pool: 64), try builder.blockB("Mixed_6a", 288),
      try builder.blockC("Mixed_6b", 768, width: 128), try builder.blockC("Mixed_6c", 768, width: 160),
      try builder.blockC("Mixed_6d", 768, width: 160),
    ])
    afterSpatial = .sequence([
      try builder.blockC("Mixed_6e", 768, width: 192), try builder.blockD("Mixed_7a", 768),
      try builder.blockE("Mixed_7b", 1280, pool: .averagePool(InceptionBuilder.samePool)),
      try builder.blockE("Mixed_7c", 2048, pool: .maxPool(InceptionBuilder.samePool)),
    ])
    classifier = try weights.tensor("fc.weight", [1008, 2048], device)
  }

  func extract(_ images: [RGBImage]) -> FeatureBatch {
    let spatialCount = Self.spatialShape.side * Self.spatialShape.side * Self.spatialShape.channels
    let outputs = forImages(images, side: Self.side, widths: [2048, spatialCount, 1008], device) {
      $0.writeResizedByTensorFlow1(side: Self.side, into: $1)
    } network: { x in
      let middle = beforeSpatial.apply(x, device)
      let features = meanOverPlaces(afterSpatial.apply(middle, device), device)
      return [features, spatial(middle), linear(features, weight: classifier, bias: nil, device)]
    }
    return FeatureBatch(features: outputs[0], spatial: outputs[1], logits: outputs[2])
  }

  private func spatial(_ x: Tensor) -> Tensor {
    let kept = Self.spatialShape.channels
    let places = x.shape[1] * x.shape[2]
    let y = device.empty([x.shape[0], places * kept])
    for row in 0..<x.rowCount {
      (y.pointer + row * kept).update(from: x.pointer + row * x.lastDimension, count: kept)
    }
    return y
  }
}

extension RGBImage {
  /// The image as TensorFlow 1's `ResizeBilinear` scales it (`align_corners` off): position i draws on i * old / new
  /// and the pixel after it, in float32. Written as (x - 128) / 128, [side, side, 3].
  func writeResizedByTensorFlow1(side: Int, into target: UnsafeMutablePointer<Float>) {
    let rows = TensorFlow1Axis(from: height, to: side)
    let columns = TensorFlow1Axis(from: width, to: side)
    pixels.withUnsafeBufferPointer { source in
      for y in 0..<side {
        let (top, bottom) = (rows.low[y] * width, rows.high[y] * width)
        for x in 0..<side {
          for c in 0..<3 {
            func value(_ row: Int, _ column: Int) -> Float { Float(source[3 * (row + column) + c]) }
            let upper = value(top, columns.low[x])
            let first = upper + (value(top, columns.high[x]) - upper) * columns.share[x]
            let lower = value(bottom, columns.low[x])
            let second = lower + (value(bottom, columns.high[x]) - lower) * columns.share[x]
            target[3 * (y * side + x) + c] = (first + (second - first) * rows.share[y] - 128) / 128
          }
        }
      }
    }
  }
}

/// Which pixels each new position of one axis draws on, and the second one's share.
private struct TensorFlow1Axis {
  var low: [Int] = []
  var high: [Int] = []
  var share: [Float] = []

  init(from oldSize: Int, to newSize: Int) {
    let scale = Float(Double(oldSize) / Double(newSize))
    for position in 0..<newSize {
      let place = Float(position) * scale
      // Rounding may carry the last position past the last pixel's start; never past the pixel.
      let index = min(Int(place), oldSize - 1)
      low.append(index)
      high.append(min(index + 1, oldSize - 1))
      share.append(place - Float(index))
    }
  }
}
