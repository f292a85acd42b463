import CKernels
import TensorCore

/// The loops of attention. Scores exist for one block of queries at a time, in cache; nothing of size T x T
/// is kept: the backward pass computes them again.
struct AttentionKernel {
  let sources: [AttentionSource]
  let batch: Int
  let length: Int
  let heads: Int
  /// Channels of a head.
  let size: Int
  let rotation: Tensor?
  let mask: AttentionMask
  /// Factor of the scores before the softmax.
  let scale: Float
  /// The addresses of query, key and value. Reading them from the tensors would change reference counts at
  /// every block, for which the threads compete.
  let query, key, value: Place

  /// Rows of one of the inputs, or of its gradient.
  struct Place {
    let pointer: UnsafeMutablePointer<Float>
    let stride: Int
  }

  init(
    sources: [AttentionSource], batch: Int, length: Int, heads: Int, size: Int, rotation: Tensor?,
    mask: AttentionMask, scale: Float
  ) {
    (self.sources, self.batch, self.length, self.heads, self.size) = (sources, batch, length, heads, size)
    (self.rotation, self.mask, self.scale) = (rotation, mask, scale)
    let places = sources.map { Place(pointer: $0.tensor.pointer + $0.offset, stride: $0.stride) }
    (query, key, value) = (places[0], places[1], places[2])
  }

  /// Queries whose scores are held together.
  private static let block = 64

  var blockRows: Int { min(Self.block, length) }
  var blockCount: Int { (length + blockRows - 1) / blockRows }

  func forward(_ device: Device, into y: Tensor) {
    if isRounded(on: device) { return forwardRounded(device, into: y) }
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
        let q = operand(query, b, h, rows, rotated)
        let k = operand(key, b, h, 0..<keys, rotated + length * size)
        probabilities(scores, q, k, b, rows, keys)
        multiplySerially(
          m: rows.count, n: size, k: keys, MatrixOperand(scores, stride: length),
          operand(value, b, h, 0..<keys, nil),
          into: y.pointer + (b * length + rows.lowerBound) * outStride + h * size, stride: outStride)
      }
    }
  }

  /// Writes the gradients of the three inputs into the places that the inputs have in `targets`.
  func backward(_ device: Device, _ dy: Tensor, into targets: [Tensor]) {
    let places = zip(targets, sources).map { Place(pointer: $0.pointer + $1.offset, stride: $1.stride) }
    let (dq, dk, dv) = (places[0], places[1], places[2])
    if isRounded(on: device) { return backwardRounded(device, dy, into: (dq, dk, dv)) }
    let count = 4 * length * size + 2 * blockRows * length
    let scratch = device.empty([device.threads.count, count])
    let (first, gradient) = (scratch.pointer, dy.pointer)
    device.threads.forRanges(batch * heads) { range, thread in
      for unit in range {
        backwardHead(gradient, (dq, dk, dv), unit / heads, unit % heads, first + thread * count)
      }
    }
  }

  private func backwardHead(
    _ dy: UnsafePointer<Float>, _ targets: (q: Place, k: Place, v: Place), _ b: Int, _ h: Int,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    let area = length * size
    let (dq, dk) = (scratch + 2 * area, scratch + 3 * area)
    let (p, dp) = (scratch + 4 * area, scratch + 4 * area + blockRows * length)
    let dv = start(of: targets.v, b, h)
    let outStride = heads * size
    let v = operand(value, b, h, 0..<length, nil)
    let allKeys = operand(key, b, h, 0..<length, scratch + area)
    // From the last block to the first: the last sees every key, so it may overwrite where the others add.
    for index in (0..<blockCount).reversed() {
      let rows = queryRows(index)
      let keys = mask.prefix(end: rows.upperBound, length: length)
      let beta: Float = index == blockCount - 1 ? 0 : 1
      let q = operand(query, b, h, rows, scratch)
      probabilities(p, q, allKeys, b, rows, keys)
      let d = MatrixOperand(
        dy + (b * length + rows.lowerBound) * outStride + h * size, stride: outStride)
      multiplySerially(
        m: keys, n: size, k: rows.count, MatrixOperand(p, stride: length, transposed: true), d, beta: beta,
        into: dv, stride: value.stride)
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
    unrotate(dq, into: targets.q, b, h)
    unrotate(dk, into: targets.k, b, h)
  }

  /// softmax(scale q k^T) under the mask, rows of `length` of which the first `keys` are set.
  private func probabilities(
    _ scores: UnsafeMutablePointer<Float>, _ q: MatrixOperand, _ k: MatrixOperand, _ b: Int,
    _ rows: Range<Int>, _ keys: Int
  ) {
    multiplySerially(m: rows.count, n: keys, k: size, q, k.asTransposed, into: scores, stride: length)
    softmax(scores, b, rows, keys)
  }

  /// The softmax of scores under the mask, in place: rows of `length` of which the first `keys` are set.
  func softmax(_ scores: UnsafeMutablePointer<Float>, _ b: Int, _ rows: Range<Int>, _ keys: Int) {
    mask.forEachRow(rows, sequence: b, length: length) { query, seen in
      let row = scores + (query - rows.lowerBound) * length
      _ = tsr_softmax_row(row, seen, scale, mask.visibleCount(row: query, length: length), keys)
    }
  }

  func queryRows(_ index: Int) -> Range<Int> {
    index * blockRows..<min(length, (index + 1) * blockRows)
  }

  /// Rows of an input's head: in place, or rotated into `scratch` [rows, size] where rotation applies.
  private func operand(
    _ place: Place, _ b: Int, _ h: Int, _ rows: Range<Int>, _ scratch: UnsafeMutablePointer<Float>?
  ) -> MatrixOperand {
    let first = start(of: place, b, h) + rows.lowerBound * place.stride
    guard let rotation, let scratch else { return MatrixOperand(first, stride: place.stride) }
    tsr_rotate_rows(
      scratch, size, first, place.stride, rotation.pointer + rows.lowerBound * size, 1, rows.count, size)
    return MatrixOperand(scratch, stride: size)
  }

  /// Writes the gradient of a rotated head [T, size] to its place, rotated back.
  func unrotate(_ gradient: UnsafeMutablePointer<Float>, into target: Place, _ b: Int, _ h: Int) {
    let place = start(of: target, b, h)
    if let rotation {
      tsr_rotate_rows(place, target.stride, gradient, size, rotation.pointer, -1, length, size)
    } else {
      for t in 0..<length { (place + t * target.stride).update(from: gradient + t * size, count: size) }
    }
  }

  func start(of place: Place, _ b: Int, _ h: Int) -> UnsafeMutablePointer<Float> {
    place.pointer + b * length * place.stride + h * size
  }
}
