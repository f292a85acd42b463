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

  /// Whether this processor gains from the format. The others compute it too, slower than float32.
  public var isSupported: Bool {
    switch self {
    case .float32: true
    case .bfloat16: tsr_has_bfloat16()
    case .int8: tsr_has_integer_products()
    }
  }
}
