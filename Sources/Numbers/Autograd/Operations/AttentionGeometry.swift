import CKernels
import TensorCore

/// The sizes of an attention, and the loops that do not depend on how its operands are kept.
struct AttentionGeometry {
  let batch: Int
  let length: Int
  let heads: Int
  /// Channels of a head.
  let size: Int
  let rotation: Tensor?
  let mask: AttentionMask
  /// Factor of the scores before the softmax.
  let scale: Float

  /// Rows of an input, of the output, or of a gradient: all heads of a position side by side.
  struct Rows {
    let pointer: UnsafeMutablePointer<Float>
    let stride: Int
  }

  /// Channels of a position.
  var width: Int { heads * size }

  /// Queries whose scores are held together.
  private static let block = 64

  var blockRows: Int { max(1, min(Self.block, length)) }

  /// Blocks of queries, with the keys that each can see.
  var blocks: [AttentionBlock] {
    stride(from: 0, to: length, by: blockRows).map { first in
      let rows = first..<min(length, first + blockRows)
      return AttentionBlock(rows: rows, keys: mask.prefix(end: rows.upperBound, length: length))
    }
  }

  /// The softmax of scores under the mask, in place: rows of `length` of which the first `keys` are set.
  func softmax(_ scores: UnsafeMutablePointer<Float>, _ b: Int, _ block: AttentionBlock) {
    mask.forEachRow(block.rows, sequence: b, length: length) { query, seen in
      let row = scores + (query - block.rows.lowerBound) * length
      _ = tsr_softmax_row(row, seen, scale, mask.visibleCount(row: query, length: length), block.keys)
    }
  }

  /// The gradients of the scores of a block, in the memory of the gradients of the probabilities.
  func softmaxBackward(
    _ d: UnsafeMutablePointer<Float>, _ probabilities: UnsafePointer<Float>, _ block: AttentionBlock
  ) {
    for row in 0..<block.rows.count {
      tsr_softmax_backward_row(d + row * length, probabilities + row * length, scale, block.keys)
    }
  }

  /// Writes the gradient of a rotated head [T, size] to its place, rotated back.
  func unrotate(_ gradient: UnsafeMutablePointer<Float>, into target: Rows, _ b: Int, _ h: Int) {
    let place = start(of: target, b, h)
    if let rotation {
      tsr_rotate_rows(place, target.stride, gradient, size, rotation.pointer, -1, length, size)
    } else {
      for t in 0..<length { (place + t * target.stride).update(from: gradient + t * size, count: size) }
    }
  }

  /// The first element of a head.
  func start(of rows: Rows, _ b: Int, _ h: Int) -> UnsafeMutablePointer<Float> {
    rows.pointer + b * length * rows.stride + h * size
  }
}

/// Both passes of an attention, over inputs that are kept in one form or another.
protocol AttentionLoops {
  /// Writes [B, T, C].
  func forward(_ device: Device, into y: Tensor)
  /// Writes the gradients of query, key and value.
  func backward(_ device: Device, _ dy: Tensor, into targets: [AttentionGeometry.Rows])
}

/// A block of queries, and the keys that they can see, as a prefix.
struct AttentionBlock {
  let rows: Range<Int>
  let keys: Int
}
