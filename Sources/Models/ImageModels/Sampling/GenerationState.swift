import TensorCore

/// A place that a pass computes: a position of one image of the batch.
struct Place {
  let image: Int
  let position: Int
}

/// The buffers of a batch while it is drawn. A pass has a row for each of its places, with the class; behind them
/// come rows of the guided places, with "no class".
final class GenerationState {
  /// Rows of one image and one of its halves, with class or without: they share a cache and are in order.
  struct Stream {
    let rows: Range<Int>
    let cacheRow: Int
  }

  let images: Int
  /// The places of a pass, neighbours where they are of one image, in order of position.
  private(set) var places: [Place] = []
  /// Those that have a second row; ascending.
  private(set) var guided: [Int] = []
  private(set) var streams: [Stream] = []
  /// The residual stream [rows, C].
  let x: Tensor
  let qkv, attended, both, gated, hidden, logits: Tensor
  let cache: KeyValueCache
  private let precision: SamplingPrecision
  /// What the buffers hold.
  let halves, window: Int
  private let scratch: Tensor
  private let attention: Tensor

  /// - Parameters:
  ///   - halves: 2 with guidance, 1 without.
  ///   - window: the most places of an image in a pass.
  init(
    _ c: TransformerConfiguration, images: Int, halves: Int, window: Int, _ precision: SamplingPrecision,
    _ device: Device
  ) {
    (self.images, self.halves, self.window, self.precision) = (images, halves, window, precision)
    let (places, rows) = (images * window, images * window * halves)
    x = device.empty([rows, c.width])
    qkv = device.empty([rows, 3 * c.width])
    attended = device.empty([rows, c.width])
    both = device.empty([rows, PackedTransformer.gateUpOutputs(c)])
    gated = device.empty([rows, c.feedForwardWidth])
    hidden = device.empty([places, c.width])
    logits = device.empty([places, c.vocabularySize])
    cache = KeyValueCache(c, rows: images * halves, precision)
    let widest = max(c.width, c.feedForwardWidth)
    scratch = device.empty([device.threads.count, ActivationRows.floats(rows: rows, width: widest)])
    // Rotated query and key, then attention's own.
    let length = 2 * c.headSize + KeyValueCache.scratchCount(c.tokenCount)
    attention = device.empty([device.threads.count, length])
  }

  /// Rows of this pass.
  var rows: Int { places.count + guided.count }

  /// The place that a row computes.
  func place(ofRow row: Int) -> Int { row < places.count ? row : guided[row - places.count] }

  /// The row without class of each place; nil where it has none.
  var unconditionalRows: [Int?] {
    var rows = [Int?](repeating: nil, count: places.count)
    for (index, place) in guided.enumerated() { rows[place] = places.count + index }
    return rows
  }

  /// Begins a pass.
  /// - Parameter lastGuided: the last position whose rows without class are needed; nil if none is.
  func begin(_ places: [Place], lastGuided: Int?) {
    self.places = places
    guided = lastGuided.map { last in places.indices.filter { places[$0].position <= last } } ?? []
    streams = []
    append(streamsOf: Array(places.indices), firstRow: 0, cache: 0)
    append(streamsOf: guided, firstRow: places.count, cache: images)
  }

  private func append(streamsOf rows: [Int], firstRow: Int, cache: Int) {
    var start = 0
    while start < rows.count {
      let image = places[rows[start]].image
      let end = rows[start...].firstIndex { places[$0].image != image } ?? rows.count
      streams.append(Stream(rows: firstRow + start..<firstRow + end, cacheRow: cache + image))
      start = end
    }
  }

  /// A thread's memory for activations.
  func activations(_ thread: Int, width: Int) -> ActivationRows {
    ActivationRows(
      scratch.pointer + thread * scratch.lastDimension, rows: images * window * halves, width: width,
      precision)
  }

  /// A thread's memory for attention: 2 * head size, then the cache's scratch.
  func attentionScratch(_ thread: Int) -> UnsafeMutablePointer<Float> {
    attention.pointer + thread * attention.lastDimension
  }
}
