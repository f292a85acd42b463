import TensorCore

/// The buffers of a batch while it is drawn. Rows of the first half carry the classes, rows of the second half
/// "no class".
final class GenerationState {
  let images: Int
  /// Rows still computed: 2 * images while there is guidance, images after it.
  var rows: Int
  /// The residual stream [rows, C].
  let x: Tensor
  let qkv, attended, both, gated, hidden, logits: Tensor
  let cache: KeyValueCache
  private let precision: SamplingPrecision
  /// Rows that the buffers hold.
  let capacity: Int
  private let scratch: Tensor
  private let attention: Tensor

  init(
    _ c: TransformerConfiguration, images: Int, rows: Int, _ precision: SamplingPrecision, _ device: Device
  ) {
    (self.images, self.rows, self.precision, capacity) = (images, rows, precision, rows)
    x = device.empty([rows, c.width])
    qkv = device.empty([rows, 3 * c.width])
    attended = device.empty([rows, c.width])
    both = device.empty([rows, PackedTransformer.gateUpOutputs(c)])
    gated = device.empty([rows, c.feedForwardWidth])
    hidden = device.empty([images, c.width])
    logits = device.empty([images, c.vocabularySize])
    cache = KeyValueCache(c, rows: rows, precision)
    let widest = max(c.width, c.feedForwardWidth)
    scratch = device.empty([device.threads.count, ActivationRows.floats(rows: rows, width: widest)])
    // Rotated query and key, then attention's own.
    let length = 2 * c.headSize + KeyValueCache.scratchCount(c.tokenCount)
    attention = device.empty([device.threads.count, length])
  }

  /// A thread's memory for activations.
  func activations(_ thread: Int, width: Int) -> ActivationRows {
    ActivationRows(
      scratch.pointer + thread * scratch.lastDimension, rows: capacity, width: width, precision)
  }

  /// A thread's memory for attention: 2 * head size, then the cache's scratch.
  func attentionScratch(_ thread: Int) -> UnsafeMutablePointer<Float> {
    attention.pointer + thread * attention.lastDimension
  }
}
