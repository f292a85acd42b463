import Glibc
import Images

extension RGBImage {
  /// Peak signal-to-noise ratio on [0, 255], in dB; infinite for equal images.
  public func psnr(to other: RGBImage) -> Double {
    precondition(width == other.width && height == other.height, "psnr: images of different sizes")
    let sum = zip(pixels, other.pixels).reduce(0) {
      let difference = Int($1.0) - Int($1.1)
      return $0 + difference * difference
    }
    return 10 * log10(255 * 255 / (Double(sum) / Double(width * height * 3)))
  }
}
