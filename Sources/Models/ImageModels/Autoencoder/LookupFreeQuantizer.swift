import Autograd
import Codebooks
import TensorCore

/// Lookup-free quantization (MAGVIT-v2, Yu et al., 2023): a code is the signs of the latent's components. The
/// gradient of the decoder goes straight to the latents. The losses are commitment and the entropy terms, without which
/// nothing asks for all codes.
struct LookupFreeQuantizer: LatentQuantizer {
  /// The codes [2^d, d], all vectors of signs in any order.
  let codebook: Variable

  func comparable(_ tape: Tape, _ latents: Variable) -> Variable { latents }

  /// The search is over the signs, and not over the latents: it is exact however long a latent is.
  func indices(of latents: Tensor, on device: Device) -> [Int] {
    let signs = device.empty(latents.asRows.shape)
    // 0 has the sign -1, as in the published code.
    for i in 0..<signs.count { signs.pointer[i] = latents.pointer[i] > 0 ? 1 : -1 }
    return NearestCode(codebook.value, on: device).indices(of: signs)
  }

  func quantize(_ tape: Tape, _ latents: Variable, entropy: EntropyTerm?) -> QuantizedLatents {
    let indices = indices(of: latents.value, on: tape.device)
    let chosen = tape.reshape(tape.embedding(indices, table: codebook), latents.shape)
    return QuantizedLatents(
      vectors: tape.straightThrough(value: chosen, gradientTo: latents), indices: indices,
      searched: latents.value.asRows, commitmentLoss: tape.meanError(chosen, latents),
      entropy: entropy.map { tape.signEntropy(rows(tape, latents), temperature: $0.temperature) })
  }
}
