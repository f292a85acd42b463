import Glibc
import Images

extension RGBImage {
  /// Peak signal-to-noise ratio on [0, 255], in dB; infinite for equal images.
  public func psnr(to other: RGBImage) -> Double {
    precondition(width == other.width && height == other.height, "psnr: images of different sizes")
    var sum = 0
    withPixels { a in
      other.withPixels { b in
        for i in 0..<a.count {
          let difference = Int(a[i]) - Int(b[i])
          sum += difference * difference
        }
      }
    }
    return 10 * log10(255 * 255 / (Double(sum) / Double(width * height * 3)))
  }
}
