import Autograd
import CKernels
import TensorCore

/// A feed-forward network over images [B, H, W, C], put together from few parts.
indirect enum ImageGraph {
  case convolution(ConvolutionWeights)
  case depthwise(DepthwiseConvolution)
  case maxPool(PoolingWindow)
  /// The mean under the window; what is outside the image does not count.
  case averagePool(PoolingWindow)
  /// The last channel first.
  case reversedChannels
  /// One after the other.
  case sequence([ImageGraph])
  /// Side by side on the same input, their outputs joined by channel.
  case branches([ImageGraph])
  /// The input added to the output.
  case residual(ImageGraph)

  func apply(_ x: Tensor, _ device: Device) -> Tensor {
    apply(Variable(x), Tape(device: device, isRecording: false)).value
  }

  /// The same on a tape. Weights get no gradient; means under a window and convolutions of single channels pass none on,
  /// so that they are not for tapes that record.
  func apply(_ x: Variable, _ tape: Tape) -> Variable {
    switch self {
    case .convolution(let weights): return tape.convolution(x, weights)
    case .depthwise(let layer): return withoutGradient(tape) { layer.apply(x.value, $0) }
    case .maxPool(let window): return tape.maxPool(x, window)
    case .averagePool(let window):
      return withoutGradient(tape) { window.apply(x.value, $0, tsr_average_pool) }
    case .reversedChannels: return tape.reverseChannels(x)
    case .sequence(let parts): return parts.reduce(x) { $1.apply($0, tape) }
    case .branches(let parts): return tape.joinChannels(parts.map { $0.apply(x, tape) })
    case .residual(let part): return tape.add(x, part.apply(x, tape))
    }
  }

  private func withoutGradient(_ tape: Tape, _ body: (Device) -> Tensor) -> Variable {
    precondition(!tape.isRecording, "ImageGraph: \(self) has no backward pass")
    return Variable(body(tape.device))
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
