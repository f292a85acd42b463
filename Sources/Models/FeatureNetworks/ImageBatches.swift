import Images
import TensorCore

/// How a network wants its images.
struct ImageInput {
  /// Side in pixels.
  var side: Int
  /// Subtracted from each channel, in the order of the channels.
  var mean: (Float, Float, Float)
  /// Divides what is left.
  var scale: Float
  /// Blue first.
  var isBGR = false

  /// Writes an image of the right size as `side * side` pixels of three channels.
  func write(_ image: RGBImage, into pixels: UnsafeMutablePointer<Float>) {
    precondition(image.width == side && image.height == side, "an image of another size")
    let (first, last) = isBGR ? (2, 0) : (0, 2)
    image.pixels.withUnsafeBufferPointer { source in
      for i in 0..<side * side {
        pixels[3 * i] = (Float(source[3 * i + first]) - mean.0) / scale
        pixels[3 * i + 1] = (Float(source[3 * i + 1]) - mean.1) / scale
        pixels[3 * i + 2] = (Float(source[3 * i + last]) - mean.2) / scale
      }
    }
  }
}

/// Runs a network over images, as many at a time as there are threads. Each thread works on one image, whatever the
/// number of images: so an image's features depend neither on its neighbours nor on the batch size.
/// - Parameters:
///   - prepare: writes the pixels of an image; runs on several threads.
///   - network: from images [threads, side, side, 3] to outputs [threads, widths[i]].
/// - Returns: the outputs for all images, [n, widths[i]].
func forImages(
  _ images: [RGBImage], side: Int, widths: [Int], _ device: Device,
  prepare: (RGBImage, UnsafeMutablePointer<Float>) -> Void, network: (Tensor) -> [Tensor]
) -> [Tensor] {
  precondition(!images.isEmpty, "extract: no images")
  let group = device.threads.count
  let results = widths.map { device.empty([images.count, $0]) }
  let size = side * side * 3
  for start in stride(from: 0, to: images.count, by: group) {
    let count = min(group, images.count - start)
    // The last group is filled up, because fewer images would be cut by rows and rounded differently.
    let input = count == group ? device.empty([group, side, side, 3]) : device.zeros([group, side, side, 3])
    device.forRanges(count) {
      for i in $0 { prepare(images[start + i], input.pointer + i * size) }
    }
    for (result, output) in zip(results, network(input)) {
      let width = result.lastDimension
      (result.pointer + start * width).update(from: output.pointer, count: count * width)
    }
  }
  return results
}

/// y [B, n] = x [B, k] times the transposed rows of weight [n, k], plus bias. One image at a time, as above.
func linear(_ x: Tensor, weight: Tensor, bias: Tensor?, _ device: Device) -> Tensor {
  let (k, n) = (weight.shape[1], weight.shape[0])
  let y = device.empty([x.shape[0], n])
  device.forRanges(x.shape[0]) {
    for row in $0 {
      let result = y.pointer + row * n
      if let bias { result.update(from: bias.pointer, count: n) }
      multiplySerially(
        m: 1, n: n, k: k, MatrixOperand(x.pointer + row * k, stride: k),
        MatrixOperand(weight.pointer, stride: k, transposed: true), beta: bias == nil ? 0 : 1, into: result,
        stride: n)
    }
  }
  return y
}
