import Autograd
import TensorCore

/// The losses of a training batch, and the values from which they were computed.
public struct TokenizerPass {
  /// Images as decoded [B, H, W, 3].
  public let reconstruction: Variable
  /// The quantised latents.
  public let quantized: QuantizedLatents
  /// Latents before quantising [B, h, w, d].
  public let latents: Variable
  /// Reconstruction + gamma codebook + beta commitment + entropy terms.
  public let loss: Variable
  /// The reconstruction term alone.
  public let reconstructionLoss: Variable
}

/// A batch of images that has gone through the autoencoder.
public struct TokenizerReconstruction {
  /// Images as decoded [B, H, W, 3].
  public let images: Variable
  /// What the decoder's last layer saw [B, H, W, C].
  public let features: Tensor
  /// Latents before quantising [B, h, w, d].
  public let latents: Variable
  /// The quantised latents; nil without a quantiser.
  public let quantized: QuantizedLatents?
}

extension Tokenizer {
  /// Replaces each latent by its code, with the straight-through gradient.
  /// - Parameter entropy: whether, and at which temperature, the entropy terms are computed; not with several scales, and
  ///   not with FSQ.
  public func quantize(_ tape: Tape, _ latents: Variable, entropy: EntropyTerm? = nil) -> QuantizedLatents {
    quantizer.quantize(tape, latents, entropy: entropy)
  }

  /// Encodes, quantises and decodes images [B, H, W, 3], and adds up the losses: reconstruction, and of the quantiser's,
  /// as far as it has them, gamma times the codebook loss, beta times the commitment loss, and the entropy terms.
  ///
  /// LlamaGen has gamma 1 and beta 0.25. The published VQGANs have gamma 0.25 and beta 1, because their `legacy` loss
  /// puts the weight on the other term.
  public func trainingPass(
    _ tape: Tape, images: Variable, reconstruction kind: ReconstructionLoss = .l2,
    commitment beta: Float = 0.25, codebook gamma: Float = 1, entropy: EntropyTerm? = nil
  ) -> TokenizerPass {
    let latents = encode(tape, images)
    let quantized = quantize(tape, latents, entropy: entropy)
    let reconstruction = decode(tape, quantized.vectors)
    let error = tape.meanError(reconstruction, images, kind)
    let loss = tape.weightedSum(
      [(error, 1)] + quantized.losses(commitment: beta, codebook: gamma, entropy: entropy))
    return TokenizerPass(
      reconstruction: reconstruction, quantized: quantized, latents: latents, loss: loss,
      reconstructionLoss: error)
  }

  /// Encodes, quantises and decodes images [B, H, W, 3] without any loss of the images.
  /// - Parameters:
  ///   - isQuantized: whether there is a quantiser; otherwise the decoder sees the latents themselves.
  ///   - entropy: as of ``quantize(_:_:entropy:)``.
  public func reconstruct(
    _ tape: Tape, images: Variable, isQuantized: Bool, entropy: EntropyTerm? = nil
  ) -> TokenizerReconstruction {
    let latents = encode(tape, images)
    let quantized = isQuantized ? quantize(tape, latents, entropy: entropy) : nil
    let features = features(tape, ofLatents: quantized?.vectors ?? comparable(tape, latents))
    return TokenizerReconstruction(
      images: lastLayer(tape, features), features: features.value, latents: latents, quantized: quantized)
  }

  /// The reconstruction loss of the autoencoder without its quantiser: how training warms up before the
  /// codebook starts.
  public func unquantizedPass(
    _ tape: Tape, images: Variable, reconstruction kind: ReconstructionLoss = .l2
  ) -> Variable {
    tape.meanError(decode(tape, comparable(tape, encode(tape, images))), images, kind)
  }

  /// Tokens of images [B, H, W, 3], image after image: in raster order, of several scales one after the other.
  /// - Throws: ``NotFiniteError`` where a latent is: its nearest code would be any.
  public func tokens(of images: Tensor) throws -> [Int] {
    let tape = Tape(device: store.device, isRecording: false)
    let latents = encode(tape, Variable(images)).value
    try latents.requireFinite("the latents that the encoder gives")
    return quantizer.indices(of: latents, on: store.device)
  }

  /// The vectors that a codebook is to stand for, rows [n, d], of images [B, H, W, 3]: where k-means places the codes.
  public func vectorsToQuantize(of images: Tensor) -> Tensor {
    let tape = Tape(device: store.device, isRecording: false)
    let latents = encode(tape, Variable(images))
    if let multiScale { return multiScale.vectorsToQuantize(tape, latents) }
    return comparable(tape, latents).value.asRows
  }

  /// Images [B, H, W, 3] of the tokens of B images; of several scales, the grid is that of the last one.
  /// - Parameter scaleCount: of several scales, how many are decoded, from the first on; all if it is nil.
  /// - Throws: ``NotFiniteError`` where a sample is: it would become a black or white one.
  public func images(of tokens: [Int], rows: Int, columns: Int, scaleCount: Int? = nil) throws -> Tensor {
    let tape = Tape(device: store.device, isRecording: false)
    let vectors: Variable
    if let multiScale {
      vectors = multiScale.latents(tape, of: tokens, scaleCount: scaleCount)
    } else {
      let batch = tokens.count / (rows * columns)
      vectors = codeVectors(tape, tokens, shape: [batch, rows, columns, configuration.codeDimension])
    }
    let images = decode(tape, vectors).value
    try images.requireFinite("the images that the decoder gives")
    return images
  }
}
