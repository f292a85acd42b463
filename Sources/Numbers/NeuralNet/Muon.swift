import CKernels
import TensorCore

/// Muon (Jordan et al., 2024): the step of a matrix is its averaged gradient, of which all singular values are made nearly
/// equal. So directions in which gradients are small are learned as fast as the others.
///
/// The singular values are brought near 1 by ``NewtonSchulz``. The step is then scaled to the root mean
/// square of AdamW's (Liu et al., 2025), so that both have one learning rate and one weight decay.
struct Muon {
  /// Decay of the averaged gradient.
  static let momentum: Float = 0.95
  /// Root mean square of AdamW's steps, as measured by Liu et al.
  static let rootMeanSquare: Float = 0.2

  /// One for every thread: with fewer matrices than threads it is not the first threads that have one. Memory that is not
  /// written takes no room.
  private let iterations: [NewtonSchulz]

  init(_ store: ParameterStore) {
    let shapes = store.parameters.filter(\.isHiddenMatrix).map(\.matrixShape)
    iterations = NewtonSchulz.forThreads(of: store.device, shapes: shapes)
  }

  /// One matrix [rows, columns] of a step: its values, its averaged gradient and its gradient.
  struct Matrix {
    let value, moment: UnsafeMutablePointer<Float>
    let gradient: UnsafePointer<Float>
    let rows, columns: Int
    let gradientScale, rate, decay: Float
    /// The tensors that the pointers are of.
    fileprivate let owners: [Tensor]
  }

  /// The matrices that a parameter consists of.
  static func matrices(
    of parameter: Parameter, _ moment: Tensor, _ gradient: Tensor, gradientScale: Float, rate: Float,
    decay: Float
  ) -> [Matrix] {
    let (rows, columns) = parameter.matrixShape
    let value = parameter.variable.value
    return (0..<parameter.hiddenMatrices).map {
      let first = $0 * rows * columns
      return Matrix(
        value: value.pointer + first, moment: moment.pointer + first, gradient: gradient.pointer + first,
        rows: rows, columns: columns, gradientScale: gradientScale, rate: rate, decay: decay,
        owners: [value, moment, gradient])
    }
  }

  /// Moves all matrices. Each is one thread's, so that the bytes do not depend on the number of threads.
  func step(_ matrices: [Matrix], on device: Device) {
    device.threads.forRanges(matrices.count) { range, thread in
      for place in range { step(matrices[place], in: thread) }
    }
  }

  private func step(_ matrix: Matrix, in thread: Int) {
    let count = matrix.rows * matrix.columns
    let x = iterations[thread].start
    // Nesterov's momentum: the gradient counts once more than in the average.
    tsr_scale(matrix.moment, Self.momentum, matrix.moment, count)
    tsr_axpy(matrix.moment, matrix.gradientScale, matrix.gradient, count)
    tsr_scale(x, matrix.gradientScale, matrix.gradient, count)
    tsr_axpy(x, Self.momentum, matrix.moment, count)
    let direction = iterations[thread].orthogonalized(rows: matrix.rows, columns: matrix.columns)
    let scale = Self.rootMeanSquare * Float(max(matrix.rows, matrix.columns)).squareRoot()
    tsr_scale(matrix.value, 1 - matrix.rate * matrix.decay, matrix.value, count)
    tsr_axpy(matrix.value, -matrix.rate * scale, direction, count)
  }
}

/// Sum of squares in double precision, on the calling thread.
func sumOfSquaresSerially(_ x: UnsafePointer<Float>, count: Int) -> Double { tsr_dot(x, x, count) }
