import Autograd
import NeuralNet
import TensorCore

/// Declares parameters under a dotted name, and gives the layers of the autoencoder their sizes.
struct LayerBuilder {
  let store: ParameterStore
  let configuration: TokenizerConfiguration
  let freezing: Freezing

  func convolution(
    _ name: String, _ inputs: Int, _ outputs: Int, kernel: Int = 3, stride: Int = 1, padBefore: Int? = nil,
    padAfter: Int? = nil, isHidden: Bool = true
  ) -> ConvolutionLayer {
    store.convolution(
      name, inputs, outputs, kernel: kernel, stride: stride, padBefore: padBefore, padAfter: padAfter,
      isHidden: isHidden, freezing)
  }

  func norm(_ name: String, _ channels: Int) -> GroupNormLayer {
    GroupNormLayer(
      parameters: GroupNormParameters(
        weight: store.declare(name + ".weight", [channels], .ones),
        bias: store.declare(name + ".bias", [channels], .zeros), groups: configuration.groups,
        epsilon: configuration.normEpsilon))
  }

  func residual(_ name: String, _ inputs: Int, _ outputs: Int) -> ResidualBlock {
    ResidualBlock(
      norm1: norm(name + ".norm1", inputs), convolution1: convolution(name + ".conv1", inputs, outputs),
      norm2: norm(name + ".norm2", outputs), convolution2: convolution(name + ".conv2", outputs, outputs),
      shortcut: inputs == outputs ? nil : convolution(name + ".nin_shortcut", inputs, outputs, kernel: 1))
  }

  func attention(_ name: String, _ channels: Int) -> AttentionBlock {
    func pointwise(_ part: String) -> ConvolutionLayer {
      convolution(name + "." + part, channels, channels, kernel: 1)
    }
    return AttentionBlock(
      norm: norm(name + ".norm", channels), query: pointwise("q"), key: pointwise("k"), value: pointwise("v"),
      output: pointwise("proj_out"))
  }
}

extension ParameterStore {
  /// Declares a convolution, which keeps the size of images unless a stride or a padding is given.
  /// - Parameter isHidden: whether its kernel is a matrix of a hidden layer; those that read or write pixels are not.
  func convolution(
    _ name: String, _ inputs: Int, _ outputs: Int, kernel: Int = 3, stride: Int = 1, padBefore: Int? = nil,
    padAfter: Int? = nil, isHidden: Bool = true, _ freezing: Freezing
  ) -> ConvolutionLayer {
    let fanIn = Initializer.fanIn(inputs * kernel * kernel)
    return ConvolutionLayer(
      weight: declare(
        name + ".weight", [outputs, inputs, kernel, kernel], fanIn,
        hiddenMatrices: isHidden ? 1 : 0),
      bias: declare(name + ".bias", [outputs], fanIn),
      geometry: ConvolutionGeometry(
        inChannels: inputs, outChannels: outputs, kernel: kernel, stride: stride, padBefore: padBefore,
        padAfter: padAfter), freezing: freezing)
  }
}

/// A layer from [B, H, W, C] to [B, H', W', C'].
protocol ImageLayer {
  func apply(_ x: Variable, _ tape: Tape) -> Variable
}

/// Whether the parameters of a network may still change. One object for all of its layers.
final class Freezing {
  var isFrozen = false
}

struct ConvolutionLayer: ImageLayer {
  private let weight, bias: Variable
  private let geometry: ConvolutionGeometry
  private let freezing: Freezing
  /// Packed on first use, which freezing allows.
  private let packed: ConvolutionWeights

  init(weight: Variable, bias: Variable, geometry: ConvolutionGeometry, freezing: Freezing) {
    (self.weight, self.bias, self.geometry, self.freezing) = (weight, bias, geometry, freezing)
    packed = ConvolutionWeights(geometry, weight: weight.value, bias: bias.value)
  }

  var filter: ConvolutionFilter {
    ConvolutionFilter(
      weight: weight, bias: bias, geometry: geometry, packed: freezing.isFrozen ? packed : nil)
  }

  func apply(_ x: Variable, _ tape: Tape) -> Variable {
    // A 1x1 convolution of channels-last images is a matrix product over pixels.
    if geometry.kernel == 1 {
      let matrix = tape.reshape(weight, [geometry.outChannels, geometry.inChannels])
      return tape.linear(x, weight: matrix, bias: bias)
    }
    return tape.convolution(x, filter)
  }

  /// The convolution of silu(norm(x)).
  func apply(_ x: Variable, after norm: GroupNormLayer, _ tape: Tape) -> Variable {
    tape.normalizedConvolution(x, norm: norm.parameters, filter)
  }

  /// The gradient by the weight alone, where `gradient` is that by the convolution of silu(norm(x)).
  func weightGradient(_ gradient: Tensor, of x: Tensor, after norm: GroupNormLayer, on device: Device)
    -> Tensor
  {
    let (tape, own) = (Tape(device: device), Variable(weight.value, requiresGradient: true))
    let parameters = GroupNormParameters(
      weight: norm.parameters.weight.detached(), bias: norm.parameters.bias.detached(),
      groups: norm.parameters.groups, epsilon: norm.parameters.epsilon)
    let y = tape.normalizedConvolution(
      Variable(x), norm: parameters,
      ConvolutionFilter(weight: own, bias: bias.detached(), geometry: geometry))
    tape.backward(from: tape.dot(y, gradient))
    guard let result = own.gradient else { preconditionFailure("weightGradient: none arrived") }
    return result
  }
}

struct GroupNormLayer {
  let parameters: GroupNormParameters

  /// The norm alone, without silu.
  func apply(_ x: Variable, _ tape: Tape) -> Variable {
    tape.groupNorm(
      x, weight: parameters.weight, bias: parameters.bias, groups: parameters.groups,
      epsilon: parameters.epsilon, silu: false)
  }
}

/// x + convolutions of x, with group norm and silu before each; a 1x1 shortcut when widths differ.
struct ResidualBlock: ImageLayer {
  let norm1: GroupNormLayer
  let convolution1: ConvolutionLayer
  let norm2: GroupNormLayer
  let convolution2: ConvolutionLayer
  let shortcut: ConvolutionLayer?

  func apply(_ x: Variable, _ tape: Tape) -> Variable {
    let h = convolution1.apply(x, after: norm1, tape)
    let update = convolution2.apply(h, after: norm2, tape)
    return tape.add(shortcut?.apply(x, tape) ?? x, update)
  }
}

/// x + single-head attention over all pixels.
struct AttentionBlock: ImageLayer {
  let norm: GroupNormLayer
  let query, key, value, output: ConvolutionLayer

  func apply(_ x: Variable, _ tape: Tape) -> Variable {
    let flat = [x.shape[0], x.shape[1] * x.shape[2], x.shape[3]]
    let h = tape.reshape(norm.apply(x, tape), flat)
    let attended = tape.attention(
      query: query.apply(h, tape), key: key.apply(h, tape), value: value.apply(h, tape), heads: 1, mask: .full
    )
    return tape.add(x, tape.reshape(output.apply(attended, tape), x.shape))
  }
}

/// Doubles the image, then smooths it.
struct UpsampleLayer: ImageLayer {
  private let convolution: ConvolutionLayer
  /// Summed and packed on first use, which freezing allows. While parameters may change, each call makes its own.
  private let packed: UpsampledConvolutionWeights

  init(_ convolution: ConvolutionLayer) {
    self.convolution = convolution
    packed = Self.weights(convolution.filter)
  }

  private static func weights(_ filter: ConvolutionFilter) -> UpsampledConvolutionWeights {
    UpsampledConvolutionWeights(filter.geometry, weight: filter.weight.value, bias: filter.bias.value)
  }

  func apply(_ x: Variable, _ tape: Tape) -> Variable {
    if tape.isRecording { return convolution.apply(tape.upsampleTwice(x), tape) }
    let filter = convolution.filter
    let weights = filter.packed == nil ? Self.weights(filter) : packed
    return Variable(tape.device.convolveUpsampled(x.value, weights))
  }
}
