import CKernels

/// Weights of a convolution that is applied again and again and not trained. They stay in the layout that the
/// implementation reads fastest, and the output may be clipped while it is computed. Belongs to one device.
public final class ConvolutionWeights {
  public let geometry: ConvolutionGeometry
  /// [O, I, kH, kW]
  let weight: Tensor
  /// [O]
  let bias: Tensor
  /// Above 0, the output is cut to 0...upper.
  let upper: Float
  /// Filled by the implementation, by the part of a convolution that the layout is good for.
  var packed: [ConvolutionPart: Tensor] = [:]
  /// The same for the gradient of the input.
  var packedBackward: [ConvolutionPart: Tensor] = [:]
  /// As the rows of a product over patches, once they are needed so: [O, kH * kW * I].
  var matrix: Tensor?

  /// What happens to the output of a convolution.
  public enum Activation: Sendable, Equatable {
    case none
    /// max(x, 0)
    case relu
    /// min(max(x, 0), 6)
    case relu6
  }

  /// - Parameters:
  ///   - weight: [O, I, kH, kW]
  ///   - bias: [O]
  public init(_ geometry: ConvolutionGeometry, weight: Tensor, bias: Tensor, activation: Activation = .none) {
    precondition(
      weight.shape == geometry.weightShape && bias.shape == [geometry.outChannels],
      "ConvolutionWeights: weight \(weight.shape), bias \(bias.shape), geometry \(geometry)")
    (self.geometry, self.weight, self.bias) = (geometry, weight, bias)
    switch activation {
    case .none: upper = 0
    case .relu: upper = .greatestFiniteMagnitude
    case .relu6: upper = 6
    }
  }
}

extension Device {
  /// Output [B, H', W', O] of `input` [B, H, W, I].
  public func convolve(_ input: ConvolutionInput, _ weights: ConvolutionWeights) -> Tensor {
    let g = weights.geometry
    precondition(
      input.shape.count == 4 && input.shape[3] == g.inChannels,
      "convolve: input \(input.shape), geometry \(g)")
    let output = empty([
      input.shape[0], g.outputHeight(input.shape[1]), g.outputWidth(input.shape[2]), g.outChannels,
    ])
    convolutions.forward(self, input: input, weights, output: output)
    return output
  }

  /// As above, from a float32 tensor.
  public func convolve(_ input: Tensor, _ weights: ConvolutionWeights) -> Tensor {
    convolve(convolutionInput(input), weights)
  }

  /// The gradient of the input, of shape `inputShape`, by that of the output: through the cut of the activation, where
  /// the output is at one of its ends, nothing passes.
  /// - Parameter output: what ``convolve(_:_:)`` gave.
  public func convolveBackward(
    _ outputGradient: Tensor, output: Tensor, inputShape: [Int], _ weights: ConvolutionWeights
  ) -> Tensor {
    precondition(
      outputGradient.count == output.count && inputShape.count == 4
        && inputShape[3] == weights.geometry.inChannels,
      "convolveBackward: gradient \(outputGradient.shape), output \(output.shape), input \(inputShape)")
    var passed = outputGradient
    if weights.upper > 0 {
      passed = empty(output.shape)
      forRanges(output.count, grain: 4096) { range in
        let first = range.lowerBound
        tsr_clamp_positive_backward(
          passed.pointer + first, outputGradient.pointer + first, output.pointer + first, weights.upper,
          range.count)
      }
    }
    let inputGradient = empty(inputShape)
    convolutions.backward(
      self, outputGradient: passed.reshaped(output.shape), weights, inputGradient: inputGradient)
    return inputGradient
  }
}
