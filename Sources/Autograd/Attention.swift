import CKernels
import TensorCore

/// Which keys a query may look at.
public enum AttentionMask {
  /// Itself and those before it.
  case causal
  /// All.
  case full
  /// Those whose byte is not 0: bytes [1 or B, T, T], query by key. A row without a visible key gives zeros.
  case visible([UInt8])

  func check(batch: Int, length: Int) {
    guard case .visible(let bytes) = self else { return }
    precondition(
      bytes.count == length * length || bytes.count == batch * length * length,
      "attention: a mask of \(bytes.count) bytes for \(batch) sequences of \(length)")
  }

  /// Keys that queries below `end` can see, as a prefix.
  func prefix(end: Int, length: Int) -> Int {
    if case .causal = self { return end }
    return length
  }

  /// Of that prefix, what query `row` can see.
  func visibleCount(row: Int, length: Int) -> Int {
    if case .causal = self { return row + 1 }
    return length
  }
}

/// Where attention finds one of its three inputs: `size` channels at `offset` in rows of a variable.
struct AttentionSource {
  let variable: Variable
  let offset: Int
  var stride: Int { variable.value.lastDimension }
}

extension Tape {
  /// Multi-head self-attention of qkv [B, T, 3C] (query, key, value side by side): out [B, T, C].
  /// - Parameter rotation: cos and sin of each position and pair, [at least T, C / heads / 2, 2].
  public func attention(qkv: Variable, heads: Int, rotation: Tensor?, mask: AttentionMask) -> Variable {
    let c = qkv.value.lastDimension / 3
    precondition(qkv.shape.count == 3 && c * 3 == qkv.shape[2], "attention: qkv \(qkv.shape)")
    let sources = (0..<3).map { AttentionSource(variable: qkv, offset: $0 * c) }
    return attention(sources, channels: c, heads: heads, rotation: rotation, mask: mask)
  }

  /// Attention of query, key and value [B, T, C] each.
  public func attention(
    query: Variable, key: Variable, value: Variable, heads: Int, mask: AttentionMask
  ) -> Variable {
    precondition(
      query.shape == key.shape && key.shape == value.shape && query.shape.count == 3,
      "attention: query \(query.shape), key \(key.shape), value \(value.shape)")
    let sources = [query, key, value].map { AttentionSource(variable: $0, offset: 0) }
    return attention(sources, channels: query.shape[2], heads: heads, rotation: nil, mask: mask)
  }

  private func attention(
    _ sources: [AttentionSource], channels: Int, heads: Int, rotation: Tensor?, mask: AttentionMask
  ) -> Variable {
    let shape = sources[0].variable.shape
    precondition(channels % heads == 0, "attention: \(channels) channels, \(heads) heads")
    mask.check(batch: shape[0], length: shape[1])
    precondition(
      rotation.map { $0.count >= shape[1] * channels / heads } ?? true,
      "attention: rotation \(rotation?.shape ?? []) for \(shape[1]) positions of \(channels / heads) channels"
    )
    let heart = AttentionHeart(
      sources: sources, batch: shape[0], length: shape[1], heads: heads, size: channels / heads,
      rotation: rotation, mask: mask)
    let y = device.empty([shape[0], shape[1], channels])
    heart.forward(device, into: y)
    return record(y, from: sources.map(\.variable)) { [unowned self] dy in
      // Side by side in one variable, the three have one gradient, passed on once.
      let isPacked = sources[1].offset > 0
      let targets =
        isPacked
        ? Array(repeating: device.empty(sources[0].variable.shape), count: 3)
        : sources.map { device.empty($0.variable.shape) }
      heart.backward(device, dy, into: targets)
      for (source, gradient) in zip(sources, targets).prefix(isPacked ? 1 : 3) {
        accumulate(gradient, into: source.variable)
      }
    }
  }
}
