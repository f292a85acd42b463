import CKernels
import TensorCore

/// A feed-forward network over images [B, H, W, C], put together from few parts.
indirect enum ImageGraph {
  case convolution(ConvolutionWeights)
  case depthwise(DepthwiseConvolution)
  case maxPool(PoolingWindow)
  /// The mean under the window; what is outside the image does not count.
  case averagePool(PoolingWindow)
  /// One after the other.
  case sequence([ImageGraph])
  /// Side by side on the same input, their outputs joined by channel.
  case branches([ImageGraph])
  /// The input added to the output.
  case residual(ImageGraph)

  func apply(_ x: Tensor, _ device: Device) -> Tensor {
    switch self {
    case .convolution(let weights): device.convolve(x, weights)
    case .depthwise(let layer): layer.apply(x, device)
    case .maxPool(let window): window.apply(x, device, tsr_max_pool)
    case .averagePool(let window): window.apply(x, device, tsr_average_pool)
    case .sequence(let parts): parts.reduce(x) { $1.apply($0, device) }
    case .branches(let parts): joined(parts.map { $0.apply(x, device) }, device)
    case .residual(let part): sum(x, part.apply(x, device), device)
    }
  }
}

/// A square window over an image, and its step.
struct PoolingWindow {
  var kernel: Int
  var stride: Int
  var padBefore = 0
  var padAfter = 0

  func outputSize(_ size: Int) -> Int { (size + padBefore + padAfter - kernel) / stride + 1 }

  /// The window over images [B, H, W, C], for the kernels.
  func over(_ x: Tensor, outWidth: Int) -> tsr_window {
    tsr_window(
      height: x.shape[1], width: x.shape[2], channels: x.shape[3], kernel: kernel, stride: stride,
      pad_top: padBefore, pad_left: padBefore, out_width: outWidth)
  }

  typealias Kernel = (
    UnsafeMutablePointer<Float>?, UnsafePointer<Float>?, UnsafePointer<tsr_window>?, Int, Int
  ) -> Void

  func apply(_ x: Tensor, _ device: Device, _ kernel: Kernel) -> Tensor {
    let (height, width) = (outputSize(x.shape[1]), outputSize(x.shape[2]))
    let y = device.empty([x.shape[0], height, width, x.shape[3]])
    var window = over(x, outWidth: width)
    let (inSize, outSize) = (x.count / x.shape[0], y.count / x.shape[0])
    withUnsafePointer(to: &window) { window in
      forRowsOfImages(x.shape[0], height, device) { image, rows in
        kernel(
          y.pointer + image * outSize, x.pointer + image * inSize, window, rows.lowerBound, rows.upperBound)
      }
    }
    return y
  }
}

/// A convolution of each channel on its own, and the cut after it.
struct DepthwiseConvolution {
  let window: PoolingWindow
  /// [kernel, kernel, channels]
  let weight: Tensor
  /// [channels]
  let bias: Tensor
  let upper: Float

  func apply(_ x: Tensor, _ device: Device) -> Tensor {
    window.apply(x, device) { y, x, window, first, last in
      tsr_depthwise(y, x, weight.pointer, bias.pointer, window, upper, first, last)
    }
  }
}

/// Calls `body` with ranges of rows that cover every image once, in parallel.
private func forRowsOfImages(
  _ images: Int, _ height: Int, _ device: Device, _ body: (_ image: Int, _ rows: Range<Int>) -> Void
) {
  device.forRanges(images * height) { range in
    var row = range.lowerBound
    while row < range.upperBound {
      let image = row / height
      let end = min(range.upperBound, (image + 1) * height)
      body(image, row - image * height..<end - image * height)
      row = end
    }
  }
}

private func joined(_ parts: [Tensor], _ device: Device) -> Tensor {
  let channels = parts.map(\.lastDimension)
  let total = channels.reduce(0, +)
  let y = device.empty(Array(parts[0].shape.dropLast()) + [total])
  device.forRanges(y.rowCount, grain: 64) { rows in
    var offset = 0
    for (part, count) in zip(parts, channels) {
      for row in rows {
        (y.pointer + row * total + offset).update(from: part.pointer + row * count, count: count)
      }
      offset += count
    }
  }
  return y
}

private func sum(_ a: Tensor, _ b: Tensor, _ device: Device) -> Tensor {
  let y = device.empty(a.shape)
  device.forRanges(a.count, grain: 4096) {
    tsr_add(y.pointer + $0.lowerBound, a.pointer + $0.lowerBound, b.pointer + $0.lowerBound, $0.count)
  }
  return y
}

/// Means over the places of images [B, H, W, C]: [B, C].
func meanOverPlaces(_ x: Tensor, _ device: Device) -> Tensor {
  let (batch, places, channels) = (x.shape[0], x.shape[1] * x.shape[2], x.shape[3])
  let y = device.empty([batch, channels])
  device.forRanges(batch) {
    for image in $0 {
      tsr_column_means(y.pointer + image * channels, x.pointer + image * places * channels, places, channels)
    }
  }
  return y
}
