import CKernels

/// The number format in which large matrix products and attention read their operands, and in which a training keeps what they
/// have read. Sums, weights, optimiser and everything else stay in float32.
public enum Precision: String, Sendable, CaseIterable, Codable {
  /// 24 bits of significand.
  case float32
  /// 8 bits of significand, the exponent of float32: about twice as fast where the processor has it.
  case bfloat16

  /// Bytes of an operand's element.
  public var bytes: Int {
    switch self {
    case .float32: 4
    case .bfloat16: 2
    }
  }

  /// Whether this build on this processor gains from the format; without oneDNN or the instructions,
  /// `bfloat16` is computed as float32.
  public var isSupported: Bool {
    switch self {
    case .float32: return true
    case .bfloat16:
      #if OneDNN
        return tsr_has_bfloat16()
      #else
        return false
      #endif
    }
  }
}
