import Images
import TensorCore

/// The image itself at 16 x 16 pixels: a network without weights, for quick tests.
final class PixelFeatures: FeatureNetwork {
  static let name = "pixels"
  private static let side = 16
  let name: String = PixelFeatures.name
  let weightsSHA256 = "none"
  let resize = "Pillow box filter to 16 x 16, divided by 255"
  let featureCount = PixelFeatures.side * PixelFeatures.side * 3
  private let device: Device

  init(device: Device) { self.device = device }

  func extract(_ images: [RGBImage]) -> FeatureBatch {
    let input = ImageInput(side: Self.side, mean: (0, 0, 0), scale: 255)
    let outputs = forImages(images, side: Self.side, widths: [featureCount], device) { image, pixels in
      input.write(image.resized(width: Self.side, height: Self.side, filter: .box), into: pixels)
    } network: {
      [$0.reshaped([$0.shape[0], featureCount])]
    }
    return FeatureBatch(features: outputs[0])
  }
}
