import Autograd
import Codebooks
import TensorCore

/// Vector quantisation (VQ-VAE): the nearest of the codes, which are trained (LlamaGen; VQGAN without
/// `normalizes`).
struct NearestCodeQuantizer: LatentQuantizer {
  /// The codes [K, d].
  let codebook: Variable
  /// Whether latents and codes are scaled to length 1 first.
  let normalizes: Bool

  func comparable(_ tape: Tape, _ latents: Variable) -> Variable {
    normalizes ? tape.l2Normalize(latents) : latents
  }

  func indices(of latents: Tensor, on device: Device) -> [Int] {
    let tape = Tape(device: device, isRecording: false)
    return NearestCode(comparable(tape, codebook).value, on: device)
      .indices(of: comparable(tape, Variable(latents.asRows)).value)
  }

  func quantize(_ tape: Tape, _ latents: Variable, entropy: EntropyTerm?) -> QuantizedLatents {
    let z = comparable(tape, latents)
    let indices = indices(of: latents.value, on: tape.device)
    let codes = comparable(tape, codebook)
    let chosen = tape.reshape(tape.embedding(indices, table: codes), latents.shape)
    return QuantizedLatents(
      vectors: tape.straightThrough(value: chosen, gradientTo: z), indices: indices, searched: z.value.asRows,
      codebookLoss: tape.meanError(chosen, z.detached()),
      commitmentLoss: tape.meanError(chosen.detached(), z),
      entropy: entropy.map { tape.codeEntropy(rows(tape, z), codes: codes, temperature: $0.temperature) })
  }
}
