import Autograd
import CKernels
import TensorCore

/// The positions of a model that predicts scale by scale, and what is added at each of them.
struct ScalePositions {
  /// Learned embeddings: of the first scale [f, C], of all positions [L, C], of the scales [S, C].
  let start, positions, scales: Variable
  /// The scale of each position.
  let scaleOfPosition: [Int]

  /// Positions of the first scale.
  private var first: Int { start.value.count / width }
  private var width: Int { positions.value.lastDimension }

  /// What the first block reads, [B, L, C]: at the first scale the class, elsewhere what was made of the scales before.
  /// - Parameters:
  ///   - classes: [B, C].
  ///   - words: [B, L - f, C].
  func embed(_ tape: Tape, classes: Variable, words: Variable) -> Variable {
    let (b, l, c, f) = (classes.shape[0], scaleOfPosition.count, width, first)
    precondition(
      words.value.count == b * (l - f) * c, "ScalePositions: classes \(classes.shape), words \(words.shape)")
    let y = tape.device.empty([b, l, c])
    for image in 0..<b {
      let target = y.pointer + image * l * c
      for position in 0..<f {
        (target + position * c).update(from: classes.value.pointer + image * c, count: c)
      }
      addStart(to: target)
      (target + f * c).update(from: words.value.pointer + image * (l - f) * c, count: (l - f) * c)
      add(to: target, 0..<l)
    }
    let inputs = [classes, words, start, positions, scales]
    return tape.record(y, from: inputs) { [unowned tape, slots = inputs.map(\.slot), scaleOfPosition] dy in
      let gradients = slots.map { tape.device.zeros($0.shape) }
      for image in 0..<b {
        let d = dy.pointer + image * l * c
        for position in 0..<f { tsr_axpy(gradients[0].pointer + image * c, 1, d + position * c, c) }
        (gradients[1].pointer + image * (l - f) * c).update(from: d + f * c, count: (l - f) * c)
        tsr_axpy(gradients[2].pointer, 1, d, f * c)
        tsr_axpy(gradients[3].pointer, 1, d, l * c)
        for (position, scale) in scaleOfPosition.enumerated() {
          tsr_axpy(gradients[4].pointer + scale * c, 1, d + position * c, c)
        }
      }
      for (slot, gradient) in zip(slots, gradients) { tape.accumulate(gradient, into: slot) }
    }
  }

  /// Adds the embeddings of some positions and of their scales to rows [count, C].
  func add(to rows: UnsafeMutablePointer<Float>, _ range: Range<Int>) {
    let c = width
    tsr_axpy(rows, 1, positions.value.pointer + range.lowerBound * c, range.count * c)
    for position in range {
      let row = rows + (position - range.lowerBound) * c
      tsr_axpy(row, 1, scales.value.pointer + scaleOfPosition[position] * c, c)
    }
  }

  /// Adds the embedding of the start to rows [f, C].
  func addStart(to rows: UnsafeMutablePointer<Float>) {
    tsr_axpy(rows, 1, start.value.pointer, first * width)
  }
}
