import CKernels

/// The number format in which sampling keeps the weights and the other large data of a model.
public enum SamplingPrecision: String, Sendable, CaseIterable, Codable {
  /// Weights, activations and cache in float32.
  case float32
  /// Weights, the activations they are multiplied with, and the cache in bfloat16; sums in float32.
  case bfloat16
  /// Weights as 8-bit integers with a scale for each output, the activations they are multiplied with as
  /// integers of at most 16 bits with a scale for each row; sums are exact. Embeddings and cache in bfloat16.
  case int8

  /// Whether this processor gains from the format: with AVX2 or NEON weights take less memory to read, with AVX-512
  /// their products are faster too. The others compute it as well, slower than float32.
  public var isSupported: Bool { self == .float32 || tsr_has_wide_vectors() }
}
