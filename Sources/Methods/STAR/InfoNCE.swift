import Autograd
import CKernels
import TensorCore

/// A group of queries and the group of keys with which it is contrasted.
public struct ContrastPair: Sendable, Equatable {
  /// Index of the group of queries.
  public var query: Int
  /// Index of the group of keys.
  public var key: Int

  public init(query: Int, key: Int) { (self.query, self.key) = (query, key) }
}

extension Tape {
  /// InfoNCE over the images of a batch (ST-AR, equations 6 and 7). Queries and keys are [G, B, C], one
  /// feature of each of B images per group. For a pair (g, h) and image b the term is -log softmax over v of
  /// queries[g, b] . keys[h, v] / temperature, at v = b. Keys take no gradient.
  /// - Returns: the mean over pairs and images; 0 without pairs.
  public func infoNCE(
    _ queries: Variable, keys: Tensor, pairs: [ContrastPair], temperature: Float
  ) -> Variable {
    let (groups, b, c) = (queries.shape[0], queries.shape[1], queries.shape[2])
    precondition(
      keys.shape == queries.shape && temperature > 0
        && pairs.allSatisfy { (0..<groups).contains($0.query) && (0..<groups).contains($0.key) },
      "infoNCE: queries \(queries.shape), keys \(keys.shape), \(pairs.count) pairs, temperature \(temperature)"
    )
    let gradient = device.zeros(queries.shape)
    let losses = device.zeros([max(pairs.count, 1), max(b, 1), 2])
    let scores = device.empty([device.threads.count, b, b])
    let scale = 1 / (Float(max(pairs.count, 1) * max(b, 1)) * temperature)
    // Each thread has some groups of queries, so that one thread adds up each gradient, in the order of the
    // pairs.
    device.threads.forRanges(groups) { range, thread in
      let logits = scores.pointer + thread * b * b
      for (index, pair) in pairs.enumerated() where range.contains(pair.query) {
        let q = MatrixOperand(queries.value.pointer + pair.query * b * c, stride: c)
        let k = MatrixOperand(keys.pointer + pair.key * b * c, stride: c)
        multiplySerially(
          m: b, n: b, k: c, alpha: 1 / temperature, q, k.asTransposed, into: logits, stride: b)
        for row in 0..<b {
          tsr_cross_entropy_row(
            losses.pointer + 2 * (index * b + row), logits + row * b, logits + row * b, b, row, 0, 0, 0, scale
          )
        }
        multiplySerially(
          m: b, n: c, k: b, MatrixOperand(logits, stride: b), k, beta: 1,
          into: gradient.pointer + pair.query * b * c, stride: c)
      }
    }
    let sum = stride(from: 0, to: losses.count, by: 2).reduce(0) { $0 + Double(losses.pointer[$1]) }
    let mean = sum / Double(max(pairs.count * b, 1))
    return record(device.full([], Float(mean)), from: [queries]) {
      [unowned self, queries = queries.slot] dy in
      accumulate(device.scaled(gradient, dy.scalar), into: queries)
    }
  }
}
