import Autograd
import ImageModels
import Images
import StreamFormat
import TensorCore

/// The mean latent of an image, as the tokenizer compares it with its codes: for quick tests, and to see
/// which images the tokenizer can distinguish.
final class TokenizerFeatures: FeatureNetwork {
  static let name = "tokenizer"
  let name: String = TokenizerFeatures.name
  let weightsSHA256: String
  let resize: String
  let featureCount: Int
  private let tokenizer: Tokenizer
  private let input: ImageInput

  init(_ tokenizer: Tokenizer) {
    self.tokenizer = tokenizer
    let side = tokenizer.configuration.imageSize
    resize = "centre crop to \(side) x \(side) as the tokenizer's images, scaled to -1...1"
    featureCount = tokenizer.configuration.codeDimension
    weightsSHA256 = Record(tensors: tokenizer.store.storedTensors()).weightsSHA256
    input = ImageInput(side: side, mean: (127.5, 127.5, 127.5), scale: 127.5)
  }

  func extract(_ images: [RGBImage]) -> FeatureBatch {
    let device = tokenizer.store.device
    let outputs = forImages(images, side: input.side, widths: [featureCount], device) { image, pixels in
      input.write(image.centerCropped(to: input.side), into: pixels)
    } network: { x in
      let tape = Tape(device: device, isRecording: false)
      let latents = tokenizer.comparable(tape, tokenizer.encode(tape, Variable(x))).value
      return [meanOverPlaces(latents, device)]
    }
    return FeatureBatch(features: outputs[0])
  }
}
