/// The sizes of a square 2-D convolution over [B, H, W, C] activations with weights [O, I, k, k].
public struct ConvolutionGeometry: Hashable, Sendable {
  /// Channels read.
  public var inChannels: Int
  /// Channels written.
  public var outChannels: Int
  /// Side of the kernel.
  public var kernel: Int
  /// Step between outputs.
  public var stride: Int
  /// Zeros above and to the left.
  public var padBefore: Int
  /// Zeros below and to the right.
  public var padAfter: Int

  /// A convolution that keeps the size when `stride` is 1 and `kernel` odd.
  public init(
    inChannels: Int, outChannels: Int, kernel: Int, stride: Int = 1, padBefore: Int? = nil,
    padAfter: Int? = nil
  ) {
    (self.inChannels, self.outChannels, self.kernel, self.stride) = (inChannels, outChannels, kernel, stride)
    self.padBefore = padBefore ?? kernel / 2
    self.padAfter = padAfter ?? kernel / 2
  }

  /// Output side for an input side.
  public func outputSize(_ size: Int) -> Int { (size + padBefore + padAfter - kernel) / stride + 1 }

  var weightCount: Int { outChannels * inChannels * kernel * kernel }
}

/// A part of a convolution that one thread computes: whole images, or rows of one image.
struct ConvolutionPart: Hashable {
  var geometry: ConvolutionGeometry
  var batch: Int
  var height: Int
  var width: Int
  var outHeight: Int
  var outWidth: Int
  /// Zeros above and below this part; inside an image the neighbouring rows take their place.
  var padTop: Int
  var padBottom: Int
}

extension Device {
  /// Output [B, H', W', O] of `input` [B, H, W, I] with `weight` [O, I, k, k] and `bias` [O].
  /// - Parameter training: the shapes will be used backward too.
  public func convolve(
    _ input: Tensor, weight: Tensor, bias: Tensor, _ geometry: ConvolutionGeometry, training: Bool = false
  ) -> Tensor {
    checkConvolution(input, weight, geometry)
    let output = empty([
      input.shape[0], geometry.outputSize(input.shape[1]), geometry.outputSize(input.shape[2]),
      geometry.outChannels,
    ])
    convolutions.forward(
      self, input: input, weight: weight, bias: bias, output: output, geometry, training: training)
    return output
  }

  /// Gradients of a convolution. The weight's and the bias's gradient are added to what
  /// `weightGradient` [O, I, k, k] and `biasGradient` [O] hold.
  /// - Returns: the gradient of the input, or nil when it was not asked for.
  public func convolveBackward(
    _ outputGradient: Tensor, input: Tensor, weight: Tensor, _ geometry: ConvolutionGeometry,
    weightGradient: Tensor, biasGradient: Tensor, needsInputGradient: Bool
  ) -> Tensor? {
    checkConvolution(input, weight, geometry)
    let inputGradient = needsInputGradient ? empty(input.shape) : nil
    convolutions.backward(
      self, outputGradient: outputGradient, input: input, weight: weight, geometry,
      inputGradient: inputGradient, weightGradient: weightGradient, biasGradient: biasGradient)
    return inputGradient
  }

  private func checkConvolution(_ input: Tensor, _ weight: Tensor, _ g: ConvolutionGeometry) {
    precondition(
      input.shape.count == 4 && input.shape[3] == g.inChannels
        && weight.shape == [g.outChannels, g.inChannels, g.kernel, g.kernel],
      "convolve: input \(input.shape), weight \(weight.shape), geometry \(g)")
  }
}

/// Cuts the output into one part a thread: by image, or by row when there are fewer images than threads.
func convolutionParts(
  _ geometry: ConvolutionGeometry, inputShape: [Int], threads: Int, byRowsAllowed: Bool
) -> [(part: ConvolutionPart, image: Int, inputRow: Int, outputRow: Int)] {
  let (batch, height, width) = (inputShape[0], inputShape[1], inputShape[2])
  let outHeight = geometry.outputSize(height)
  let whole = ConvolutionPart(
    geometry: geometry, batch: batch, height: height, width: width, outHeight: outHeight,
    outWidth: geometry.outputSize(width), padTop: geometry.padBefore, padBottom: geometry.padAfter)
  if batch >= threads || !byRowsAllowed {
    return (0..<min(batch, threads)).map { thread in
      var part = whole
      let first = batch * thread / min(batch, threads)
      part.batch = batch * (thread + 1) / min(batch, threads) - first
      return (part, first, 0, 0)
    }
  }
  return (0..<batch).flatMap { image in
    (0..<min(threads, outHeight)).map { slice in
      let first = outHeight * slice / min(threads, outHeight)
      let last = outHeight * (slice + 1) / min(threads, outHeight)
      let top = first * geometry.stride - geometry.padBefore
      let bottom = (last - 1) * geometry.stride - geometry.padBefore + geometry.kernel
      var part = whole
      part.batch = 1
      part.padTop = max(0, -top)
      part.padBottom = max(0, bottom - height)
      part.height = min(bottom, height) - max(top, 0)
      part.outHeight = last - first
      return (part, image, max(top, 0), first)
    }
  }
}
