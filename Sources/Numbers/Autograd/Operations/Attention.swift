import CKernels
import TensorCore

/// The keys that a query may attend to.
public enum AttentionMask {
  /// Itself and those before it.
  case causal
  /// All.
  case full
  /// Those whose byte is not 0: bytes [1 or B, T, T], query by key. A row without a visible key gives zeros.
  case visible([UInt8])
  /// Itself, and those before it whose byte is not 0: bytes [B, T], one a key. Whatever the bytes, no row is
  /// empty.
  case causalVisible([UInt8])

  func check(batch: Int, length: Int) {
    let (count, allowed): (Int, [Int])
    switch self {
    case .causal, .full: return
    case .visible(let bytes): (count, allowed) = (bytes.count, [length * length, batch * length * length])
    case .causalVisible(let bytes): (count, allowed) = (bytes.count, [batch * length])
    }
    precondition(
      allowed.contains(count), "attention: a mask of \(count) bytes for \(batch) sequences of \(length)")
  }

  private var isCausal: Bool {
    switch self {
    case .causal, .causalVisible: true
    case .full, .visible: false
    }
  }

  /// Keys that queries below `end` can see, as a prefix.
  func prefix(end: Int, length: Int) -> Int { isCausal ? end : length }

  /// Of that prefix, what query `row` can see.
  func visibleCount(row: Int, length: Int) -> Int { isCausal ? row + 1 : length }

  /// Calls `body` with each of `rows` and the bytes of the keys that it sees, or nil where there are none.
  func forEachRow(
    _ rows: Range<Int>, sequence: Int, length: Int, _ body: (Int, UnsafePointer<UInt8>?) -> Void
  ) {
    switch self {
    case .causal, .full: for row in rows { body(row, nil) }
    case .visible(let bytes):
      let first = bytes.count == length * length ? 0 : sequence * length * length
      bytes.withUnsafeBufferPointer { for row in rows { body(row, $0.baseAddress! + first + row * length) } }
    case .causalVisible(let bytes):
      // A copy, since each query in turn sees itself.
      withUnsafeTemporaryAllocation(of: UInt8.self, capacity: length) { seen in
        _ = seen.initialize(from: bytes[sequence * length..<(sequence + 1) * length])
        for row in rows {
          let own = seen[row]
          seen[row] = 1
          body(row, seen.baseAddress!)
          seen[row] = own
        }
      }
    }
  }
}

/// Where attention finds one of its three inputs: `size` channels at `offset` in rows of a tensor.
struct AttentionSource {
  let tensor: Tensor
  let offset: Int

  var rows: AttentionGeometry.Rows {
    AttentionGeometry.Rows(pointer: tensor.pointer + offset, stride: tensor.lastDimension)
  }
}

extension Tape {
  /// Multi-head self-attention of qkv [B, T, 3C] (query, key, value side by side): out [B, T, C].
  /// - Parameters:
  ///   - rotation: cos and sin of each position and pair, [at least T, C / heads / 2, 2].
  ///   - scale: factor of the scores before the softmax; nil stands for 1 / sqrt(C / heads).
  public func attention(
    qkv: Variable, heads: Int, rotation: Tensor?, mask: AttentionMask, scale: Float? = nil
  ) -> Variable {
    let c = qkv.value.lastDimension / 3
    precondition(qkv.shape.count == 3 && c * 3 == qkv.shape[2], "attention: qkv \(qkv.shape)")
    let sources = (0..<3).map { AttentionSource(tensor: qkv.value, offset: $0 * c) }
    return attention([qkv], sources, channels: c, heads: heads, rotation: rotation, mask: mask, scale: scale)
  }

  /// Attention of query, key and value [B, T, C] each.
  public func attention(
    query: Variable, key: Variable, value: Variable, heads: Int, mask: AttentionMask
  ) -> Variable {
    precondition(
      query.shape == key.shape && key.shape == value.shape && query.shape.count == 3,
      "attention: query \(query.shape), key \(key.shape), value \(value.shape)")
    let inputs = [query, key, value]
    let sources = inputs.map { AttentionSource(tensor: $0.value, offset: 0) }
    return attention(
      inputs, sources, channels: query.shape[2], heads: heads, rotation: nil, mask: mask, scale: nil)
  }

  /// - Parameter inputs: three variables, or one that has all three side by side and so one gradient, which is passed on once.
  private func attention(
    _ inputs: [Variable], _ sources: [AttentionSource], channels: Int, heads: Int, rotation: Tensor?,
    mask: AttentionMask, scale: Float?
  ) -> Variable {
    let shape = inputs[0].shape
    precondition(channels % heads == 0, "attention: \(channels) channels, \(heads) heads")
    mask.check(batch: shape[0], length: shape[1])
    precondition(
      rotation.map { $0.count >= shape[1] * channels / heads } ?? true,
      "attention: rotation \(rotation?.shape ?? []) for \(shape[1]) positions of \(channels / heads) channels"
    )
    let geometry = AttentionGeometry(
      batch: shape[0], length: shape[1], heads: heads, size: channels / heads, rotation: rotation, mask: mask,
      scale: scale ?? 1 / Float(channels / heads).squareRoot())
    let y = device.empty([shape[0], shape[1], channels])
    let kernel: any AttentionLoops =
      RoundedAttention.isFaster(for: geometry, on: device)
      ? RoundedAttention(geometry, sources, device) : AttentionKernel(geometry, sources)
    kernel.forward(device, into: y)
    let offsets = sources.map(\.offset)
    return record(y, from: inputs) { [unowned self, slots = inputs.map(\.slot)] dy in
      let gradients = slots.map { device.empty($0.shape) }
      let targets = offsets.enumerated().map {
        AttentionSource(tensor: gradients[min($0, gradients.count - 1)], offset: $1).rows
      }
      kernel.backward(device, dy, into: targets)
      for (slot, gradient) in zip(slots, gradients) { accumulate(gradient, into: slot) }
    }
  }
}
