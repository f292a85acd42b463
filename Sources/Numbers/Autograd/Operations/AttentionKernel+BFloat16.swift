import CKernels
import TensorCore

/// The same loops with products of bfloat16 operands, as large products have them: queries and keys are rounded after the
/// rotation, probabilities and gradients as they are made. Scores, the softmax and all sums are in float32.
extension AttentionKernel {
  /// Below this many multiplications of a block's scores, rounding costs more than it gains.
  private static let smallest = 1 << 17

  func isRounded(on device: Device) -> Bool {
    device.precision == .bfloat16 && blockRows * length * size >= Self.smallest
  }

  /// Blocks of queries, with the keys that each can see.
  private var blocks: [(rows: Range<Int>, keys: Int)] {
    (0..<blockCount).map { index in
      let rows = queryRows(index)
      return (rows, mask.prefix(end: rows.upperBound, length: length))
    }
  }

  func forwardRounded(_ device: Device, into y: Tensor) {
    let (blocks, outStride) = (blocks, heads * size)
    let products = blocks.map { ForwardProducts(self, device, $0, outStride: outStride) }
    let memory = RoundedMemory(
      self, device, floats: length * size + blockRows * length, halves: 3 * length * size)
    device.threads.forRanges(batch * heads) { range, thread in
      let (floats, q, p) = memory.of(thread)
      let (scores, k, v) = (floats + length * size, q + length * size, q + 2 * length * size)
      for unit in range {
        let (b, h) = (unit / heads, unit % heads)
        roundInputs(b, h, q, k, v, scratch: floats)
        for ((rows, keys), products) in zip(blocks, products) {
          products.scores(q + rows.lowerBound * size, k, into: scores)
          softmax(scores, b, rows, keys)
          round(scores, into: p, rows: rows.count, keys)
          products.output(
            p, v, into: y.pointer + (b * length + rows.lowerBound) * outStride + h * size)
        }
      }
    }
  }

  func backwardRounded(_ device: Device, _ dy: Tensor, into targets: (q: Place, k: Place, v: Place)) {
    let (blocks, area) = (blocks, length * size)
    let products = blocks.enumerated().map {
      BackwardProducts(self, device, $1, overwrites: $0 == blockCount - 1)
    }
    let memory = RoundedMemory(
      self, device, floats: 2 * area + 2 * blockRows * length, halves: 4 * area)
    device.threads.forRanges(batch * heads) { range, thread in
      let (floats, q, rounded) = memory.of(thread)
      let (k, v, d) = (q + area, q + 2 * area, q + 3 * area)
      let (dq, dk, p) = (floats, floats + area, floats + 2 * area)
      let dp = p + blockRows * length
      for unit in range {
        let (b, h) = (unit / heads, unit % heads)
        roundInputs(b, h, q, k, v, scratch: floats)
        let first = dy.pointer + b * length * heads * size + h * size
        for t in 0..<length { tsr_to_bfloat16(d + t * size, first + t * heads * size, size) }
        let dv = start(of: targets.v, b, h)
        // From the last block to the first: the last sees every key, so it may overwrite where the others add.
        for ((rows, keys), products) in zip(blocks, products).reversed() {
          let (qRows, dRows) = (q + rows.lowerBound * size, d + rows.lowerBound * size)
          products.scores(qRows, k, into: p)
          softmax(p, b, rows, keys)
          round(p, into: rounded, rows: rows.count, keys)
          products.values(rounded, dRows, into: dv)
          products.probabilities(dRows, v, into: dp)
          for row in 0..<rows.count {
            tsr_softmax_backward_row(dp + row * length, p + row * length, scale, keys)
          }
          round(dp, into: rounded, rows: rows.count, keys)
          products.queries(rounded, k, into: dq + rows.lowerBound * size)
          products.keys(rounded, qRows, into: dk)
        }
        unrotate(dq, into: targets.q, b, h)
        unrotate(dk, into: targets.k, b, h)
      }
    }
  }

  /// Writes query, key and value [T, size] of a head.
  private func roundInputs(
    _ b: Int, _ h: Int, _ q: UnsafeMutablePointer<UInt16>, _ k: UnsafeMutablePointer<UInt16>,
    _ v: UnsafeMutablePointer<UInt16>, scratch: UnsafeMutablePointer<Float>
  ) {
    for (place, target) in [(query, q), (key, k)] {
      guard let rotation else {
        roundRows(place, b, h, into: target)
        continue
      }
      tsr_rotate_rows(
        scratch, size, start(of: place, b, h), place.stride, rotation.pointer, 1, length, size)
      tsr_to_bfloat16(target, scratch, length * size)
    }
    roundRows(value, b, h, into: v)
  }

  private func roundRows(_ place: Place, _ b: Int, _ h: Int, into target: UnsafeMutablePointer<UInt16>) {
    let first = start(of: place, b, h)
    for t in 0..<length { tsr_to_bfloat16(target + t * size, first + t * place.stride, size) }
  }

  /// The first `keys` elements of rows of `length`.
  private func round(
    _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<UInt16>, rows: Int, _ keys: Int
  ) {
    for row in 0..<rows { tsr_to_bfloat16(y + row * length, x + row * length, keys) }
  }
}

/// The products of a block of the forward pass.
private struct ForwardProducts {
  /// q k^T, and p v.
  let scores, output: SerialBFloat16Product

  init(
    _ kernel: AttentionKernel, _ device: Device, _ block: (rows: Range<Int>, keys: Int), outStride: Int
  ) {
    scores = kernel.scoresProduct(device, block)
    var shape = SerialProductShape(m: block.rows.count, n: kernel.size, k: block.keys)
    (shape.strideA, shape.strideC) = (kernel.length, outStride)
    output = device.serialBFloat16Product(shape)
  }
}

/// The products of a block of the backward pass.
private struct BackwardProducts {
  /// q k^T; the gradients of values p^T d, of probabilities d v^T, of queries ds k, of keys ds^T q.
  let scores, values, probabilities, queries, keys: SerialBFloat16Product

  init(
    _ kernel: AttentionKernel, _ device: Device, _ block: (rows: Range<Int>, keys: Int), overwrites: Bool
  ) {
    let (rows, size, length) = (block.rows.count, kernel.size, kernel.length)
    scores = kernel.scoresProduct(device, block)
    probabilities = scores
    var transposed = SerialProductShape(m: block.keys, n: size, k: rows)
    (transposed.transposedA, transposed.strideA, transposed.accumulates) = (true, length, !overwrites)
    keys = device.serialBFloat16Product(transposed)
    transposed.strideC = kernel.value.stride
    values = device.serialBFloat16Product(transposed)
    var shape = SerialProductShape(m: rows, n: size, k: block.keys)
    shape.strideA = length
    queries = device.serialBFloat16Product(shape)
  }
}

extension AttentionKernel {
  /// Rows of queries, or of gradients, by keys, or by values: [rows, keys] in rows of `length`.
  fileprivate func scoresProduct(_ device: Device, _ block: (rows: Range<Int>, keys: Int))
    -> SerialBFloat16Product
  {
    var shape = SerialProductShape(m: block.rows.count, n: block.keys, k: size)
    (shape.transposedB, shape.strideC) = (true, length)
    return device.serialBFloat16Product(shape)
  }
}

/// Memory of each thread.
private struct RoundedMemory {
  private let floats: Tensor
  private let halves, blocks: BFloat16Tensor

  init(_ kernel: AttentionKernel, _ device: Device, floats: Int, halves: Int) {
    let threads = device.threads.count
    self.floats = device.empty([threads, floats])
    self.halves = device.emptyBFloat16([threads, halves])
    blocks = device.emptyBFloat16([threads, kernel.blockRows * kernel.length])
  }

  /// Floats, bfloat16 numbers, and a block of rounded probabilities.
  func of(_ thread: Int) -> (
    floats: UnsafeMutablePointer<Float>, halves: UnsafeMutablePointer<UInt16>,
    block: UnsafeMutablePointer<UInt16>
  ) {
    (
      floats.pointer + thread * floats.shape[1], halves.pointer + thread * halves.shape[1],
      blocks.pointer + thread * blocks.shape[1]
    )
  }
}
