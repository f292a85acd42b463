/// The sizes of a 2-D convolution over [B, H, W, C] activations with weights [O, I, kH, kW].
public struct ConvolutionGeometry: Hashable, Sendable {
  /// Channels read.
  public var inChannels: Int
  /// Channels written.
  public var outChannels: Int
  /// Rows of the kernel.
  public var kernelHeight: Int
  /// Columns of the kernel.
  public var kernelWidth: Int
  /// Step between outputs.
  public var stride: Int
  /// Rows of zeros above.
  public var padTop: Int
  /// Rows of zeros below.
  public var padBottom: Int
  /// Columns of zeros to the left.
  public var padLeft: Int
  /// Columns of zeros to the right.
  public var padRight: Int

  /// A square convolution; it keeps the size when `stride` is 1 and `kernel` odd.
  public init(
    inChannels: Int, outChannels: Int, kernel: Int, stride: Int = 1, padBefore: Int? = nil,
    padAfter: Int? = nil
  ) {
    (self.inChannels, self.outChannels, self.stride) = (inChannels, outChannels, stride)
    (kernelHeight, kernelWidth) = (kernel, kernel)
    (padTop, padLeft) = (padBefore ?? kernel / 2, padBefore ?? kernel / 2)
    (padBottom, padRight) = (padAfter ?? kernel / 2, padAfter ?? kernel / 2)
  }

  /// A convolution with a kernel of any shape and the same padding on opposite sides.
  public init(
    inChannels: Int, outChannels: Int, kernelHeight: Int, kernelWidth: Int, stride: Int = 1, padVertical: Int,
    padHorizontal: Int
  ) {
    (self.inChannels, self.outChannels, self.stride) = (inChannels, outChannels, stride)
    (self.kernelHeight, self.kernelWidth) = (kernelHeight, kernelWidth)
    (padTop, padBottom, padLeft, padRight) = (padVertical, padVertical, padHorizontal, padHorizontal)
  }

  /// Output height for an input height.
  public func outputHeight(_ height: Int) -> Int { (height + padTop + padBottom - kernelHeight) / stride + 1 }

  /// Output width for an input width.
  public func outputWidth(_ width: Int) -> Int { (width + padLeft + padRight - kernelWidth) / stride + 1 }

  /// Shape of the weights, [O, I, kH, kW].
  public var weightShape: [Int] { [outChannels, inChannels, kernelHeight, kernelWidth] }

  var kernelArea: Int { kernelHeight * kernelWidth }
  var weightCount: Int { outChannels * inChannels * kernelArea }
}

/// For convolutions that are the same in both directions.
extension ConvolutionGeometry {
  /// Side of the kernel, which must be square.
  public var kernel: Int { same(kernelHeight, kernelWidth) }
  /// Zeros above and to the left, which must agree.
  public var padBefore: Int { same(padTop, padLeft) }
  /// Zeros below and to the right, which must agree.
  public var padAfter: Int { same(padBottom, padRight) }
  /// Output side for an input side.
  public func outputSize(_ size: Int) -> Int { same(outputHeight(size), outputWidth(size)) }

  private func same(_ vertical: Int, _ horizontal: Int) -> Int {
    precondition(vertical == horizontal, "convolution: \(self) is not the same in both directions")
    return vertical
  }
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
  /// Output [B, H', W', O] of `input` [B, H, W, I] with `weight` [O, I, kH, kW] and `bias` [O].
  /// - Parameter training: the shapes will be used backward too.
  public func convolve(
    _ input: ConvolutionInput, weight: Tensor, bias: Tensor, _ geometry: ConvolutionGeometry,
    training: Bool = false
  ) -> Tensor {
    checkConvolution(input, weight, geometry)
    let output = empty([
      input.shape[0], geometry.outputHeight(input.shape[1]), geometry.outputWidth(input.shape[2]),
      geometry.outChannels,
    ])
    convolutions.forward(
      self, input: input, weight: weight, bias: bias, output: output, geometry, training: training)
    return output
  }

  /// As above, from a float32 tensor.
  public func convolve(
    _ input: Tensor, weight: Tensor, bias: Tensor, _ geometry: ConvolutionGeometry, training: Bool = false
  ) -> Tensor {
    convolve(convolutionInput(input), weight: weight, bias: bias, geometry, training: training)
  }

  /// Gradients of a convolution. The weight's and the bias's gradient are added to what
  /// `weightGradient` [O, I, kH, kW] and `biasGradient` [O] hold; both are nil where neither is wanted.
  /// - Parameter input: what the forward pass read.
  /// - Returns: the gradient of the input, or nil when it was not asked for.
  public func convolveBackward(
    _ outputGradient: Tensor, input: ConvolutionInput, weight: Tensor, _ geometry: ConvolutionGeometry,
    weightGradient: Tensor?, biasGradient: Tensor?, needsInputGradient: Bool
  ) -> Tensor? {
    checkConvolution(input, weight, geometry)
    precondition((weightGradient == nil) == (biasGradient == nil), "convolveBackward: one of two gradients")
    let inputGradient = needsInputGradient ? empty(input.shape) : nil
    convolutions.backward(
      self, outputGradient: outputGradient, input: input, weight: weight, geometry,
      inputGradient: inputGradient, weightGradient: weightGradient, biasGradient: biasGradient)
    return inputGradient
  }

  private func checkConvolution(_ input: ConvolutionInput, _ weight: Tensor, _ g: ConvolutionGeometry) {
    precondition(
      input.shape.count == 4 && input.shape[3] == g.inChannels
        && weight.shape == g.weightShape,
      "convolve: input \(input.shape), weight \(weight.shape), geometry \(g)")
  }
}

/// A part of a convolution and where in the batch it stands.
typealias ConvolutionShare = (part: ConvolutionPart, image: Int, inputRow: Int, outputRow: Int)

/// Cuts the output into one part per thread: by image, or by row when there are fewer images than threads.
func convolutionParts(
  _ geometry: ConvolutionGeometry, inputShape: [Int], threads: Int, byRowsAllowed: Bool
) -> [ConvolutionShare] {
  let (batch, height, width) = (inputShape[0], inputShape[1], inputShape[2])
  let outHeight = geometry.outputHeight(height)
  let whole = ConvolutionPart(
    geometry: geometry, batch: batch, height: height, width: width, outHeight: outHeight,
    outWidth: geometry.outputWidth(width), padTop: geometry.padTop, padBottom: geometry.padBottom)
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
      let top = first * geometry.stride - geometry.padTop
      let bottom = (last - 1) * geometry.stride - geometry.padTop + geometry.kernelHeight
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
