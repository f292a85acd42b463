import Autograd
import Codebooks
import TensorCore

/// The weight of the entropy terms, and the temperature of the probabilities that they are of.
public struct EntropyTerm: Codable, Equatable, Sendable {
  /// Weight of the mean entropy of p(code | latent) minus the entropy of its mean.
  public var weight: Float
  /// What squared distances are divided by.
  public var temperature: Float

  /// The published temperature unless one is given.
  public init(weight: Float, temperature: Float = 0.01) {
    (self.weight, self.temperature) = (weight, temperature)
  }
}

/// The result of quantising a batch of latents.
public struct QuantizedLatents {
  /// Chosen codes [B, h, w, d]; the gradient by them goes straight to the latents.
  public let vectors: Variable
  /// Index of each chosen code: image after image, in raster order, of several scales one after the other.
  public let indices: [Int]
  /// The vectors [n, d] in whose place the codes stand.
  public let searched: Tensor
  /// mean((z_q - sg z)^2): pulls the codes to the latents. Nil for codes that are fixed.
  public var codebookLoss: Variable?
  /// mean((sg z_q - z)^2): keeps the latents near their codes. Its weight, beta, is the caller's. Nil for FSQ.
  public var commitmentLoss: Variable?
  /// The entropy terms, where they were asked for.
  public var entropy: CodeEntropy?

  /// The losses that there are, each with its weight.
  public func losses(commitment beta: Float, codebook gamma: Float, entropy: EntropyTerm?) -> [(
    term: Variable, weight: Float
  )] {
    var terms: [(term: Variable, weight: Float)] = []
    if let codebookLoss { terms.append((codebookLoss, gamma)) }
    if let commitmentLoss { terms.append((commitmentLoss, beta)) }
    if let loss = self.entropy?.loss, let entropy { terms.append((loss, entropy.weight)) }
    return terms
  }
}

/// What puts codes in the place of latents. The codes are the table [K, d] of the tokenizer file in every case; quantisers
/// differ in what becomes of the latents before the search, in the gradient that passes, and in their losses.
protocol LatentQuantizer {
  /// Latents [..., d] as they are compared with codes, and as the decoder sees them without a quantiser.
  func comparable(_ tape: Tape, _ latents: Variable) -> Variable
  /// Index of the code of each latent [..., d], in order.
  func indices(of latents: Tensor, on device: Device) -> [Int]
  /// Replaces latents [B, h, w, d] by their codes.
  /// - Parameter entropy: whether, and at which temperature, the entropy terms are computed.
  func quantize(_ tape: Tape, _ latents: Variable, entropy: EntropyTerm?) -> QuantizedLatents
}

extension LatentQuantizer {
  /// The latents as rows, which the entropy terms are of.
  func rows(_ tape: Tape, _ latents: Variable) -> Variable {
    tape.reshape(latents, [latents.value.rowCount, latents.value.lastDimension])
  }
}

extension Tensor {
  /// The same elements as rows [n, d].
  var asRows: Tensor { reshaped([rowCount, lastDimension]) }
}
