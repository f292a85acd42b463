import CKernels
import TensorCore

/// The loops of attention in float32. Scores exist for one block of queries at a time, in cache; nothing of size T x T
/// is kept: the backward pass computes them again.
struct AttentionKernel: AttentionLoops {
  private let geometry: AttentionGeometry
  /// Keeps the inputs.
  private let sources: [AttentionSource]
  /// The addresses of query, key and value. Reading them from the tensors would change reference counts at
  /// every block, for which the threads compete.
  private let query, key, value: AttentionGeometry.Rows

  init(_ geometry: AttentionGeometry, _ sources: [AttentionSource]) {
    (self.geometry, self.sources) = (geometry, sources)
    (query, key, value) = (sources[0].rows, sources[1].rows, sources[2].rows)
  }

  func forward(_ device: Device, into y: Tensor) {
    let (length, size, heads) = (geometry.length, geometry.size, geometry.heads)
    let blocks = geometry.blocks
    let units = geometry.batch * heads * blocks.count
    let scratch = device.empty([device.threads.count, 2 * length * size + geometry.blockRows * length])
    let out = AttentionGeometry.Rows(pointer: y.pointer, stride: geometry.width)
    device.threads.forRanges(units) { range, thread in
      let rotated = scratch.pointer + thread * scratch.shape[1]
      let scores = rotated + 2 * length * size
      for unit in range {
        let (b, h) = (unit / blocks.count / heads, unit / blocks.count % heads)
        let block = blocks[unit % blocks.count]
        let q = operand(query, b, h, block.rows, rotated)
        let k = operand(key, b, h, 0..<block.keys, rotated + length * size)
        probabilities(scores, q, k, b, block)
        multiplySerially(
          m: block.rows.count, n: size, k: block.keys, MatrixOperand(scores, stride: length),
          operand(value, b, h, 0..<block.keys, nil),
          into: geometry.start(of: out, b, h) + block.rows.lowerBound * out.stride, stride: out.stride)
      }
    }
  }

  /// Writes the gradients of the three inputs.
  func backward(_ device: Device, _ dy: Tensor, into targets: [AttentionGeometry.Rows]) {
    let (length, size, heads) = (geometry.length, geometry.size, geometry.heads)
    let count = 4 * length * size + 2 * geometry.blockRows * length
    let scratch = device.empty([device.threads.count, count])
    let (first, blocks) = (scratch.pointer, geometry.blocks)
    let d = AttentionGeometry.Rows(pointer: dy.pointer, stride: geometry.width)
    device.threads.forRanges(geometry.batch * heads) { range, thread in
      for unit in range {
        backwardHead(d, targets, blocks, unit / heads, unit % heads, first + thread * count)
      }
    }
  }

  private func backwardHead(
    _ dy: AttentionGeometry.Rows, _ targets: [AttentionGeometry.Rows], _ blocks: [AttentionBlock], _ b: Int,
    _ h: Int, _ scratch: UnsafeMutablePointer<Float>
  ) {
    let (length, size) = (geometry.length, geometry.size)
    let area = length * size
    let (dq, dk) = (scratch + 2 * area, scratch + 3 * area)
    let (p, dp) = (scratch + 4 * area, scratch + 4 * area + geometry.blockRows * length)
    let dv = geometry.start(of: targets[2], b, h)
    let v = operand(value, b, h, 0..<length, nil)
    let allKeys = operand(key, b, h, 0..<length, scratch + area)
    // From the last block to the first: the last sees every key, so it may overwrite where the others add.
    for (index, block) in blocks.enumerated().reversed() {
      let (rows, keys) = (block.rows, block.keys)
      let beta: Float = index == blocks.count - 1 ? 0 : 1
      let q = operand(query, b, h, rows, scratch)
      probabilities(p, q, allKeys, b, block)
      let d = MatrixOperand(
        geometry.start(of: dy, b, h) + rows.lowerBound * dy.stride, stride: dy.stride)
      multiplySerially(
        m: keys, n: size, k: rows.count, MatrixOperand(p, stride: length, transposed: true), d, beta: beta,
        into: dv, stride: targets[2].stride)
      multiplySerially(
        m: rows.count, n: keys, k: size, d, v.asTransposed, into: dp, stride: length)
      geometry.softmaxBackward(dp, p, block)
      multiplySerially(
        m: rows.count, n: size, k: keys, MatrixOperand(dp, stride: length), allKeys,
        into: dq + rows.lowerBound * size, stride: size)
      multiplySerially(
        m: keys, n: size, k: rows.count, MatrixOperand(dp, stride: length, transposed: true), q, beta: beta,
        into: dk, stride: size)
    }
    geometry.unrotate(dq, into: targets[0], b, h)
    geometry.unrotate(dk, into: targets[1], b, h)
  }

  /// softmax(scale q k^T) under the mask.
  private func probabilities(
    _ scores: UnsafeMutablePointer<Float>, _ q: MatrixOperand, _ k: MatrixOperand, _ b: Int,
    _ block: AttentionBlock
  ) {
    multiplySerially(
      m: block.rows.count, n: block.keys, k: geometry.size, q, k.asTransposed, into: scores,
      stride: geometry.length)
    geometry.softmax(scores, b, block)
  }

  /// Rows of an input's head: in place, or rotated into `scratch` [rows, size] where rotation applies.
  private func operand(
    _ input: AttentionGeometry.Rows, _ b: Int, _ h: Int, _ rows: Range<Int>,
    _ scratch: UnsafeMutablePointer<Float>?
  ) -> MatrixOperand {
    let first = geometry.start(of: input, b, h) + rows.lowerBound * input.stride
    guard let rotation = geometry.rotation, let scratch else {
      return MatrixOperand(first, stride: input.stride)
    }
    let size = geometry.size
    tsr_rotate_rows(
      scratch, size, first, input.stride, rotation.pointer + rows.lowerBound * size, 1, rows.count, size)
    return MatrixOperand(scratch, stride: size)
  }
}
