import CKernels
import TensorCore

/// The loops of attention. Scores exist for one block of queries at a time, in cache; nothing of size T x T
/// is kept: the backward pass computes them again.
struct AttentionHeart {
  let sources: [AttentionSource]
  let batch: Int
  let length: Int
  let heads: Int
  /// Channels of a head.
  let size: Int
  let rotation: Tensor?
  let mask: AttentionMask

  /// Queries whose scores are held together.
  private static let block = 64

  private var scale: Float { 1 / Float(size).squareRoot() }
  private var blockRows: Int { min(Self.block, length) }
  private var blockCount: Int { (length + blockRows - 1) / blockRows }

  func forward(_ device: Device, into y: Tensor) {
    let units = batch * heads * blockCount
    let scratch = device.empty([device.threads.count, 2 * length * size + blockRows * length])
    let outStride = heads * size
    device.threads.forRanges(units) { range, thread in
      let rotated = scratch.pointer + thread * scratch.shape[1]
      let scores = rotated + 2 * length * size
      for unit in range {
        let (b, h) = (unit / blockCount / heads, unit / blockCount % heads)
        let rows = queryRows(unit % blockCount)
        let keys = mask.prefix(end: rows.upperBound, length: length)
        let q = operand(0, b, h, rows, rotated)
        let k = operand(1, b, h, 0..<keys, rotated + length * size)
        probabilities(scores, q, k, b, rows, keys)
        multiplySerially(
          m: rows.count, n: size, k: keys, MatrixOperand(scores, stride: length),
          operand(2, b, h, 0..<keys, nil),
          into: y.pointer + (b * length + rows.lowerBound) * outStride + h * size, stride: outStride)
      }
    }
  }

  /// Writes the gradients of the three inputs into the places that the inputs have in `targets`.
  func backward(_ device: Device, _ dy: Tensor, into targets: [Tensor]) {
    let scratch = device.empty([device.threads.count, 4 * length * size + 2 * blockRows * length])
    device.threads.forRanges(batch * heads) { range, thread in
      let rotated = scratch.pointer + thread * scratch.shape[1]
      for unit in range { backwardHead(dy, targets, unit / heads, unit % heads, rotated) }
    }
  }

  private func backwardHead(
    _ dy: Tensor, _ targets: [Tensor], _ b: Int, _ h: Int, _ scratch: UnsafeMutablePointer<Float>
  ) {
    let area = length * size
    let (dq, dk) = (scratch + 2 * area, scratch + 3 * area)
    let (p, dp) = (scratch + 4 * area, scratch + 4 * area + blockRows * length)
    let dv = gradientPlace(2, targets, b, h)
    let outStride = heads * size
    let v = operand(2, b, h, 0..<length, nil)
    let allKeys = operand(1, b, h, 0..<length, scratch + area)
    // From the last block to the first: the last sees every key, so it may overwrite where the others add.
    for index in (0..<blockCount).reversed() {
      let rows = queryRows(index)
      let keys = mask.prefix(end: rows.upperBound, length: length)
      let beta: Float = index == blockCount - 1 ? 0 : 1
      let q = operand(0, b, h, rows, scratch)
      probabilities(p, q, allKeys, b, rows, keys)
      let d = MatrixOperand(
        dy.pointer + (b * length + rows.lowerBound) * outStride + h * size, stride: outStride)
      multiplySerially(
        m: keys, n: size, k: rows.count, MatrixOperand(p, stride: length, transposed: true), d, beta: beta,
        into: dv, stride: sources[2].stride)
      multiplySerially(
        m: rows.count, n: keys, k: size, d, v.asTransposed, into: dp, stride: length)
      for row in 0..<rows.count { tsr_softmax_backward_row(dp + row * length, p + row * length, scale, keys) }
      multiplySerially(
        m: rows.count, n: size, k: keys, MatrixOperand(dp, stride: length), allKeys,
        into: dq + rows.lowerBound * size, stride: size)
      multiplySerially(
        m: keys, n: size, k: rows.count, MatrixOperand(dp, stride: length, transposed: true), q, beta: beta,
        into: dk, stride: size)
    }
    for (input, gradient) in [(0, dq), (1, dk)] {
      let place = gradientPlace(input, targets, b, h)
      for t in 0..<length {
        rotate(gradient + t * size, position: t, direction: -1)
        (place + t * sources[input].stride).update(from: gradient + t * size, count: size)
      }
    }
  }

  /// softmax(scale q k^T) under the mask, rows of `length` of which the first `keys` are set.
  private func probabilities(
    _ scores: UnsafeMutablePointer<Float>, _ q: MatrixOperand, _ k: MatrixOperand, _ b: Int,
    _ rows: Range<Int>, _ keys: Int
  ) {
    multiplySerially(m: rows.count, n: keys, k: size, q, k.asTransposed, into: scores, stride: length)
    mask.forEachRow(rows, sequence: b, length: length) { query, seen in
      let row = scores + (query - rows.lowerBound) * length
      _ = tsr_softmax_row(row, seen, scale, mask.visibleCount(row: query, length: length), keys)
    }
  }

  private func queryRows(_ index: Int) -> Range<Int> {
    index * blockRows..<min(length, (index + 1) * blockRows)
  }

  /// Rows of an input's head: in place, or rotated into `scratch` [rows, size] where rotation applies.
  private func operand(
    _ input: Int, _ b: Int, _ h: Int, _ rows: Range<Int>, _ scratch: UnsafeMutablePointer<Float>?
  ) -> MatrixOperand {
    let source = sources[input]
    let first =
      source.variable.value.pointer + (b * length + rows.lowerBound) * source.stride + source.offset + h
      * size
    guard rotation != nil, let scratch else { return MatrixOperand(first, stride: source.stride) }
    for row in 0..<rows.count {
      (scratch + row * size).update(from: first + row * source.stride, count: size)
      rotate(scratch + row * size, position: rows.lowerBound + row, direction: 1)
    }
    return MatrixOperand(scratch, stride: size)
  }

  private func gradientPlace(_ input: Int, _ targets: [Tensor], _ b: Int, _ h: Int) -> UnsafeMutablePointer<
    Float
  > {
    targets[input].pointer + b * length * sources[input].stride + sources[input].offset + h * size
  }

  private func rotate(_ row: UnsafeMutablePointer<Float>, position: Int, direction: Float) {
    if let rotation { tsr_rotate_pairs(row, rotation.pointer + position * size, direction, 1, size) }
  }
}
