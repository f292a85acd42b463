import Autograd
import NeuralNet
import TensorCore

/// LlamaGen's VQ autoencoder, and by its settings VQGAN's and VAR's: images to grids of codes and back. Inside, images are [B, H, W, C]; pixel
/// values run from -1 to 1.
public final class Tokenizer {
  public let configuration: TokenizerConfiguration
  /// All parameters, in file order.
  public let store: ParameterStore
  private let encoder: [any ImageLayer]
  private let encoderEnd: (norm: GroupNormLayer, convolution: ConvolutionLayer)
  private let decoder: [any ImageLayer]
  private let decoderEnd: (norm: GroupNormLayer, convolution: ConvolutionLayer)
  private let toCode: ConvolutionLayer
  private let fromCode: ConvolutionLayer
  /// The code vectors [K, d]: trained, or the fixed grid of FSQ and LFQ.
  public let codebook: Variable
  /// The quantiser of VAR's tokenizers; nil where an image is one grid of tokens.
  public let multiScale: MultiScaleQuantizer?
  let quantizer: any LatentQuantizer
  private let freezing = Freezing()

  /// Declares the parameters with PyTorch's starting distributions; unset without a seed, for a file to fill.
  public init(_ configuration: TokenizerConfiguration, device: Device, seed: UInt64?) {
    precondition(configuration.problem == nil, "Tokenizer: \(configuration.problem ?? "")")
    self.configuration = configuration
    store = ParameterStore(device: device, seed: seed)
    let build = LayerBuilder(store: store, configuration: configuration, freezing: freezing)
    (encoder, encoderEnd) = Self.makeEncoder(build)
    (decoder, decoderEnd) = Self.makeDecoder(build)
    let (k, d) = (configuration.codebookSize, configuration.codeDimension)
    codebook = store.declare("quantize.embedding.weight", [k, d], .uniform(bound: 1 / Double(k)))
    if configuration.normalizesCodes && seed != nil {
      // As LlamaGen: a step of the optimiser would otherwise turn the short codes to anywhere.
      let unit = Tape(device: device, isRecording: false).l2Normalize(codebook)
      codebook.value.copyElements(from: unit.value)
    }
    if let grid = configuration.quantizer {
      codebook.value.copyElements(from: device.tensor(grid.codes(dimension: d), [k, d]))
      codebook.freeze()
    }
    multiScale = configuration.multiScale.map { [store, codebook, freezing] in
      MultiScaleQuantizer($0, codebook: codebook, in: store, freezing)
    }
    quantizer = multiScale ?? configuration.singleScaleQuantizer(codebook)
    let kernel = configuration.codeKernel ?? 1
    toCode = build.convolution("quant_conv", configuration.zChannels, d, kernel: kernel)
    fromCode = build.convolution("post_quant_conv", d, configuration.zChannels, kernel: kernel)
  }

  /// After this call the parameters must not change: weights are packed on their first use and stay packed.
  public func freeze() { freezing.isFrozen = true }

  private typealias Half = ([any ImageLayer], (norm: GroupNormLayer, convolution: ConvolutionLayer))

  private static func makeEncoder(_ build: LayerBuilder) -> Half {
    let c = build.configuration
    let last = c.multipliers.count - 1
    var layers: [any ImageLayer] = [build.convolution("encoder.conv_in", 3, c.channels, isHidden: false)]
    var width = c.channels
    for level in 0...last {
      let name = "encoder.conv_blocks.\(level)."
      for block in 0..<c.residualBlocks {
        layers.append(build.residual(name + "res.\(block)", width, c.channels * c.multipliers[level]))
        width = c.channels * c.multipliers[level]
        if c.hasAttention(level) { layers.append(build.attention(name + "attn.\(block)", width)) }
      }
      if level < last {
        layers.append(
          build.convolution(name + "downsample.conv", width, width, stride: 2, padBefore: 0, padAfter: 1))
      }
    }
    layers += middle(build, "encoder.mid.", width)
    let end = (
      build.norm("encoder.norm_out", width), build.convolution("encoder.conv_out", width, c.zChannels)
    )
    return (layers, end)
  }

  private static func makeDecoder(_ build: LayerBuilder) -> Half {
    let c = build.configuration
    let last = c.multipliers.count - 1
    var width = c.channels * c.multipliers[last]
    var layers: [any ImageLayer] = [build.convolution("decoder.conv_in", c.zChannels, width)]
    layers += middle(build, "decoder.mid.", width)
    for level in (0...last).reversed() {
      let name = "decoder.conv_blocks.\(last - level)."
      for block in 0...c.residualBlocks {
        layers.append(build.residual(name + "res.\(block)", width, c.channels * c.multipliers[level]))
        width = c.channels * c.multipliers[level]
        if c.hasAttention(level) { layers.append(build.attention(name + "attn.\(block)", width)) }
      }
      if level > 0 {
        layers.append(UpsampleLayer(build.convolution(name + "upsample.conv", width, width)))
      }
    }
    return (
      layers,
      (
        build.norm("decoder.norm_out", width),
        build.convolution("decoder.conv_out", width, 3, isHidden: false)
      )
    )
  }

  private static func middle(_ build: LayerBuilder, _ name: String, _ width: Int) -> [any ImageLayer] {
    [
      build.residual(name + "0", width, width), build.attention(name + "1", width),
      build.residual(name + "2", width, width),
    ]
  }

  /// Latents [B, h, w, d] of images [B, H, W, 3], before they are quantised.
  public func encode(_ tape: Tape, _ images: Variable) -> Variable {
    let h = encoder.reduce(images) { $1.apply($0, tape) }
    return toCode.apply(encoderEnd.convolution.apply(h, after: encoderEnd.norm, tape), tape)
  }

  /// Images [B, H, W, 3] of quantised latents [B, h, w, d].
  public func decode(_ tape: Tape, _ latents: Variable) -> Variable {
    lastLayer(tape, features(tape, ofLatents: latents))
  }

  /// What the decoder's last layer sees of quantised latents [B, h, w, d]: [B, H, W, C].
  func features(_ tape: Tape, ofLatents latents: Variable) -> Variable {
    decoder.reduce(fromCode.apply(latents, tape)) { $1.apply($0, tape) }
  }

  /// The decoder's last norm and convolution.
  func lastLayer(_ tape: Tape, _ features: Variable) -> Variable {
    decoderEnd.convolution.apply(features, after: decoderEnd.norm, tape)
  }

  /// The gradient by the weight of the decoder's last convolution, by that of the images [B, H, W, 3].
  /// - Parameter features: what the last layer saw.
  public func lastLayerGradient(_ gradient: Tensor, features: Tensor) -> Tensor {
    decoderEnd.convolution.weightGradient(gradient, of: features, after: decoderEnd.norm, on: store.device)
  }

  /// What latents are compared with codes by, but for a quantiser by cosine, and what the decoder sees of them without a
  /// quantiser: scaled to length 1 where the configuration says so, bounded with FSQ.
  public func comparable(_ tape: Tape, _ latents: Variable) -> Variable {
    quantizer.comparable(tape, latents)
  }

  /// The codes [K, d] as distances between them count: scaled to length 1 where the search compares directions alone.
  public func comparedCodes(_ tape: Tape) -> Tensor {
    (configuration.comparesDirections ? tape.l2Normalize(codebook) : codebook).value
  }

  /// Decoder input [B, h, w, d] for tokens of B images.
  public func codeVectors(_ tape: Tape, _ indices: [Int], shape: [Int]) -> Variable {
    let codes = configuration.normalizesCodes ? tape.l2Normalize(codebook) : codebook
    return tape.reshape(tape.embedding(indices, table: codes), shape)
  }
}

extension TokenizerConfiguration {
  /// The quantiser of one grid of tokens.
  fileprivate func singleScaleQuantizer(_ codebook: Variable) -> any LatentQuantizer {
    switch quantizer?.kind {
    case .finiteScalar?: FiniteScalarQuantizer(codebook: codebook, levels: quantizer?.levels ?? [])
    case .lookupFree?: LookupFreeQuantizer(codebook: codebook)
    default: NearestCodeQuantizer(codebook: codebook, normalizes: normalizesCodes)
    }
  }
}
