import CKernels
import TensorCore

/// The keys and values of all positions so far, for each layer, row and head, in the layout that attention
/// reads: float32, or bfloat16 where the weights are smaller too.
struct KeyValueCache {
  private let heads, size, length: Int
  private let wide: Bool
  private let keyBytes, valueBytes: Int
  private let scale: Float
  /// A block of memory for each layer.
  private let layers: [UnsafeMutableRawPointer]
  private let memory: StreamedMemory

  init(_ c: TransformerConfiguration, rows: Int, _ precision: SamplingPrecision) {
    (heads, size, length) = (c.heads, c.headSize, c.tokenCount)
    wide = precision == .float32
    scale = 1 / Float(c.headSize).squareRoot()
    let elementBytes = wide ? 4 : 2
    keyBytes = Self.scratchCount(length) * size * elementBytes
    valueBytes = length * size * elementBytes
    let bytes = rows * heads * (keyBytes + valueBytes)
    let memory = StreamedMemory(bytes: c.layers * StreamedMemory.reserved(bytes))
    self.memory = memory
    layers = (0..<c.layers).map { _ in memory.take(bytes) }
  }

  /// Scratch of ``attend(layer:row:head:position:query:key:value:scratch:out:)`` for a number of positions.
  static func scratchCount(_ length: Int) -> Int {
    let block = Int(TSR_KEY_BLOCK)
    return (length + block - 1) / block * block
  }

  /// Stores a position's key and value and attends to all up to it. Rows and heads are independent.
  /// - Parameters:
  ///   - query: [size], as `key`, `value` and `out`.
  ///   - scratch: of ``scratchCount(_:)`` elements, one per thread.
  func attend(
    layer: Int, row: Int, head: Int, position: Int, query: UnsafePointer<Float>, key: UnsafePointer<Float>,
    value: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>, out: UnsafeMutablePointer<Float>
  ) {
    let keys = layers[layer] + (row * heads + head) * (keyBytes + valueBytes)
    let values = keys + keyBytes
    if wide {
      let keys = keys.assumingMemoryBound(to: Float.self)
      let values = values.assumingMemoryBound(to: Float.self)
      tsr_cache_store(keys, values, key, value, position, size)
      tsr_cache_attend(out, scratch, query, keys, values, scale, position + 1, size)
    } else {
      let keys = keys.assumingMemoryBound(to: UInt16.self)
      let values = values.assumingMemoryBound(to: UInt16.self)
      tsr_cache_store_bfloat16(keys, values, key, value, position, size)
      tsr_cache_attend_bfloat16(out, scratch, query, keys, values, scale, position + 1, size)
    }
  }
}
