import Autograd
import Codebooks
import TensorCore

/// Finite scalar quantization (Mentzer et al., 2023): each component is bounded, then rounded to one of a few levels. There
/// are no losses: the gradient of the decoder passes the rounding, and the bounding has its own derivative.
///
/// The codes are all combinations of levels, and the code nearest to bounded latents is what rounding gives: the squared
/// distance is a sum over components, of which each has its smallest value at the nearest level.
struct FiniteScalarQuantizer: LatentQuantizer {
  /// The codes [K, d], in any order.
  let codebook: Variable
  /// Values of each component.
  let levels: [Int]

  func comparable(_ tape: Tape, _ latents: Variable) -> Variable {
    tape.boundToLevels(latents, levels: levels)
  }

  func indices(of latents: Tensor, on device: Device) -> [Int] {
    let tape = Tape(device: device, isRecording: false)
    return NearestCode(codebook.value, on: device)
      .indices(of: comparable(tape, Variable(latents.asRows)).value)
  }

  /// - Precondition: no entropy terms; the paper has none.
  func quantize(_ tape: Tape, _ latents: Variable, entropy: EntropyTerm?) -> QuantizedLatents {
    precondition(entropy == nil, "FiniteScalarQuantizer: entropy terms")
    let z = comparable(tape, latents)
    let indices = NearestCode(codebook.value, on: tape.device).indices(of: z.value.asRows)
    let chosen = tape.reshape(tape.embedding(indices, table: codebook), latents.shape)
    return QuantizedLatents(
      vectors: tape.straightThrough(value: chosen, gradientTo: z), indices: indices, searched: z.value.asRows)
  }
}
