import CKernels
import TensorCore

extension Device {
  /// Attention of new positions to all that are cached, themselves among them: out [R, T, C]. Rows and heads are
  /// independent.
  /// - Parameters:
  ///   - queries: [R, T, 3C]: queries, then keys and values, which are cached already.
  ///   - keys: [R, L, C], as `values`; the first `keyCount` positions are set.
  ///   - scale: factor of the scores.
  public func attend(
    queries: Tensor, keys: Tensor, values: Tensor, keyCount: Int, heads: Int, scale: Float
  ) -> Tensor {
    let (rows, count, length, c) = (keys.shape[0], queries.shape[1], keys.shape[1], keys.shape[2])
    precondition(
      queries.shape == [rows, count, 3 * c] && values.shape == keys.shape && keyCount <= length
        && c % heads == 0,
      "attend: queries \(queries.shape), keys \(keys.shape), \(keyCount) of them, \(heads) heads")
    let size = c / heads
    let y = empty([rows, count, c])
    let scratch = empty([threads.count, count * keyCount])
    threads.forRanges(rows * heads) { units, thread in
      let scores = scratch.pointer + thread * count * keyCount
      for unit in units {
        let (row, head) = (unit / heads, unit % heads)
        let q = MatrixOperand(queries.pointer + row * count * 3 * c + head * size, stride: 3 * c)
        let k = MatrixOperand(keys.pointer + row * length * c + head * size, stride: c)
        let v = MatrixOperand(values.pointer + row * length * c + head * size, stride: c)
        multiplySerially(m: count, n: keyCount, k: size, q, k.asTransposed, into: scores, stride: keyCount)
        for place in 0..<count {
          _ = tsr_softmax_row(scores + place * keyCount, nil, scale, keyCount, keyCount)
        }
        multiplySerially(
          m: count, n: size, k: keyCount, MatrixOperand(scores, stride: keyCount), v,
          into: y.pointer + row * count * c + head * size, stride: c)
      }
    }
    return y
  }
}
