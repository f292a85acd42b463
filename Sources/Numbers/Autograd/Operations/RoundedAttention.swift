import CKernels
import TensorCore

/// The loops of attention with products of bfloat16 operands: queries and keys are rounded after the rotation, values,
/// probabilities and gradients as they are. Scores, the softmax and all sums are in float32. The rounded inputs are what the backward
/// pass keeps.
struct RoundedAttention: AttentionLoops {
  private let geometry: AttentionGeometry
  /// Query, key and value of each head: [B, heads, 3, T, size].
  private let inputs: BFloat16Tensor

  /// Below this many multiplications of a block's scores, rounding costs more than it gains.
  private static let smallest = 1 << 17

  static func isFaster(for geometry: AttentionGeometry, on device: Device) -> Bool {
    device.precision == .bfloat16
      && geometry.blockRows * geometry.length * geometry.size >= smallest
  }

  /// Rounds the inputs.
  init(_ geometry: AttentionGeometry, _ sources: [AttentionSource], _ device: Device) {
    self.geometry = geometry
    let (length, size, heads) = (geometry.length, geometry.size, geometry.heads)
    inputs = device.emptyBFloat16([geometry.batch, heads, 3, length, size])
    let scratch = device.empty([device.threads.count, length * size])
    let (rows, first) = (sources.map(\.rows), inputs.pointer)
    device.threads.forRanges(geometry.batch * heads * 3) { range, thread in
      let rotated = scratch.pointer + thread * length * size
      for unit in range {
        let (head, which) = (unit / 3, unit % 3)
        let source = geometry.start(of: rows[which], head / heads, head % heads)
        let (stride, target) = (rows[which].stride, first + unit * length * size)
        if let rotation = geometry.rotation, which < 2 {
          tsr_rotate_rows(rotated, size, source, stride, rotation.pointer, 1, length, size)
          tsr_to_bfloat16(target, rotated, length * size)
        } else {
          for t in 0..<length { tsr_to_bfloat16(target + t * size, source + t * stride, size) }
        }
      }
    }
  }

  func forward(_ device: Device, into y: Tensor) {
    let (length, heads, blocks) = (geometry.length, geometry.heads, geometry.blocks)
    let area = length * geometry.size
    let products = blocks.map { ForwardProducts(geometry, $0, device) }
    let scratch = device.empty([device.threads.count, geometry.blockRows * length])
    let rounded = device.emptyBFloat16(scratch.shape)
    let out = AttentionGeometry.Rows(pointer: y.pointer, stride: geometry.width)
    let (firstScores, firstRounded, firstInput) = (scratch.pointer, rounded.pointer, inputs.pointer)
    device.threads.forRanges(geometry.batch * heads * blocks.count) { range, thread in
      let space = thread * geometry.blockRows * length
      let (scores, p) = (firstScores + space, firstRounded + space)
      for unit in range {
        let (head, index) = (unit / blocks.count, unit % blocks.count)
        let (b, q, block) = (head / heads, firstInput + head * 3 * area, blocks[index])
        let row = block.rows.lowerBound
        products[index].scores(q + row * geometry.size, q + area, into: scores)
        geometry.softmax(scores, b, block)
        round(scores, into: p, block)
        products[index].output(
          p, q + 2 * area, into: geometry.start(of: out, b, head % heads) + row * out.stride)
      }
    }
  }

  /// Writes the gradients of the three inputs.
  func backward(_ device: Device, _ dy: Tensor, into targets: [AttentionGeometry.Rows]) {
    let (heads, blocks) = (geometry.heads, geometry.blocks)
    let products = blocks.enumerated().map {
      BackwardProducts(
        geometry, $1, overwrites: $0 == blocks.count - 1, valueStride: targets[2].stride, device)
    }
    let (area, scores) = (geometry.length * geometry.size, geometry.blockRows * geometry.length)
    let scratch = device.empty([device.threads.count, 2 * area + 2 * scores])
    let rounded = device.emptyBFloat16([device.threads.count, area + scores])
    let (floats, halves, gradient) = (scratch.pointer, rounded.pointer, dy.pointer)
    device.threads.forRanges(geometry.batch * heads) { range, thread in
      let space = thread * (area + scores)
      for unit in range {
        backwardHead(gradient, targets, zip(blocks, products), unit, floats + 2 * space, halves + space)
      }
    }
  }

  private func backwardHead(
    _ dy: UnsafePointer<Float>, _ targets: [AttentionGeometry.Rows],
    _ blocks: Zip2Sequence<[AttentionBlock], [BackwardProducts]>, _ unit: Int,
    _ floats: UnsafeMutablePointer<Float>, _ d: UnsafeMutablePointer<UInt16>
  ) {
    let (length, size) = (geometry.length, geometry.size)
    let (area, b, h) = (length * size, unit / geometry.heads, unit % geometry.heads)
    let (dq, dk, p) = (floats, floats + area, floats + 2 * area)
    let (dp, rounded) = (p + geometry.blockRows * length, d + area)
    let q = inputs.pointer + unit * 3 * area
    let (k, v) = (q + area, q + 2 * area)
    let first = dy + b * length * geometry.width + h * size
    for t in 0..<length { tsr_to_bfloat16(d + t * size, first + t * geometry.width, size) }
    let dv = geometry.start(of: targets[2], b, h)
    // From the last block to the first: the last sees every key, so it may overwrite where the others add.
    for (block, products) in blocks.reversed() {
      let offset = block.rows.lowerBound * size
      products.scores(q + offset, k, into: p)
      geometry.softmax(p, b, block)
      round(p, into: rounded, block)
      products.values(rounded, d + offset, into: dv)
      products.scores(d + offset, v, into: dp)
      geometry.softmaxBackward(dp, p, block)
      round(dp, into: rounded, block)
      products.queries(rounded, k, into: dq + offset)
      products.keys(rounded, q + offset, into: dk)
    }
    geometry.unrotate(dq, into: targets[0], b, h)
    geometry.unrotate(dk, into: targets[1], b, h)
  }

  /// The rows of a block, of which the keys that it sees are set.
  private func round(
    _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<UInt16>, _ block: AttentionBlock
  ) {
    for row in 0..<block.rows.count {
      tsr_to_bfloat16(y + row * geometry.length, x + row * geometry.length, block.keys)
    }
  }
}

/// The products of a block of the forward pass.
private struct ForwardProducts {
  /// q k^T, and p v.
  let scores, output: SerialBFloat16Product

  init(_ geometry: AttentionGeometry, _ block: AttentionBlock, _ device: Device) {
    scores = device.serialBFloat16Product(scoresShape(geometry, block))
    var shape = SerialProductShape(m: block.rows.count, n: geometry.size, k: block.keys)
    (shape.strideA, shape.strideC) = (geometry.length, geometry.width)
    output = device.serialBFloat16Product(shape)
  }
}

/// The products of a block of the backward pass.
private struct BackwardProducts {
  /// q k^T, and d v^T; the gradients of values p^T d, of queries ds k, of keys ds^T q.
  let scores, values, queries, keys: SerialBFloat16Product

  init(
    _ geometry: AttentionGeometry, _ block: AttentionBlock, overwrites: Bool, valueStride: Int,
    _ device: Device
  ) {
    let (rows, size, length) = (block.rows.count, geometry.size, geometry.length)
    scores = device.serialBFloat16Product(scoresShape(geometry, block))
    var transposed = SerialProductShape(m: block.keys, n: size, k: rows)
    (transposed.transposedA, transposed.strideA, transposed.accumulates) = (true, length, !overwrites)
    keys = device.serialBFloat16Product(transposed)
    transposed.strideC = valueStride
    values = device.serialBFloat16Product(transposed)
    var shape = SerialProductShape(m: rows, n: size, k: block.keys)
    shape.strideA = length
    queries = device.serialBFloat16Product(shape)
  }
}

/// Rows of queries, or of gradients, by those of keys, or of values: [rows, keys] in rows of T.
private func scoresShape(_ geometry: AttentionGeometry, _ block: AttentionBlock) -> SerialProductShape {
  var shape = SerialProductShape(m: block.rows.count, n: block.keys, k: geometry.size)
  (shape.transposedB, shape.strideC) = (true, geometry.length)
  return shape
}
