import CKernels
import TensorCore

/// Muon (Jordan et al., 2024): the step of a matrix is its averaged gradient, of which all singular values are made nearly
/// equal. So directions in which gradients are small are learned as fast as the others.
///
/// The singular values are brought near 1 by five Newton-Schulz iterations. The step is then scaled to the root mean
/// square of AdamW's (Liu et al., 2025), so that both have one learning rate and one weight decay.
struct Muon {
  /// Decay of the averaged gradient.
  static let momentum: Float = 0.95
  /// The published polynomial a x + b x^3 + c x^5: it brings singular values from above 0.001 to between 0.7 and 1.2 in
  /// five rounds.
  static let (a, b, c): (Float, Float, Float) = (3.4445, -4.7750, 2.0315)
  static let rounds = 5
  /// Root mean square of AdamW's steps, as measured by Liu et al.
  static let rootMeanSquare: Float = 0.2

  /// Space for the iterations of a thread: the matrix and its last value, its Gram matrix and a polynomial of it.
  private let spaces: [(x: Tensor, next: Tensor, gram: Tensor, polynomial: Tensor)]

  init(_ store: ParameterStore) {
    let shapes = store.parameters.filter(\.isHiddenMatrix).map(\.matrixShape)
    let elements = shapes.map { $0.rows * $0.columns }.max() ?? 0
    let side = shapes.map { min($0.rows, $0.columns) }.max() ?? 0
    let device = store.device
    // For every thread: with fewer matrices than threads it is not the first threads that have one. Memory that is not
    // written takes no room.
    spaces = (0..<device.threads.count).map { _ in
      (
        device.empty([elements]), device.empty([elements]), device.empty([side * side]),
        device.empty([side * side])
      )
    }
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
    let x = spaces[thread].x.pointer
    // Nesterov's momentum: the gradient counts once more than in the average.
    tsr_scale(matrix.moment, Self.momentum, matrix.moment, count)
    tsr_axpy(matrix.moment, matrix.gradientScale, matrix.gradient, count)
    tsr_scale(x, matrix.gradientScale, matrix.gradient, count)
    tsr_axpy(x, Self.momentum, matrix.moment, count)
    let direction = orthogonalized(rows: matrix.rows, columns: matrix.columns, in: thread)
    let scale = Self.rootMeanSquare * Float(max(matrix.rows, matrix.columns)).squareRoot()
    tsr_scale(matrix.value, 1 - matrix.rate * matrix.decay, matrix.value, count)
    tsr_axpy(matrix.value, -matrix.rate * scale, direction, count)
  }

  /// The matrix in the thread's `x`, with singular values between 0.7 and 1.2; zeros stay zeros. X is read as it is, or, where
  /// it has more rows than columns, multiplied from the other side: the Gram matrix is then the smaller one.
  func orthogonalized(rows: Int, columns: Int, in thread: Int) -> UnsafePointer<Float> {
    let space = spaces[thread]
    var (x, next) = (space.x.pointer, space.next.pointer)
    let (gram, polynomial) = (space.gram.pointer, space.polynomial.pointer)
    let (isWide, side, count) = (rows <= columns, min(rows, columns), rows * columns)
    tsr_scale(x, 1 / (Float(sumOfSquaresSerially(x, count: count).squareRoot()) + 1e-7), x, count)
    func operand(_ matrix: UnsafeMutablePointer<Float>, _ stride: Int, transposed: Bool = false)
      -> MatrixOperand
    {
      MatrixOperand(matrix, stride: stride, transposed: transposed)
    }
    for _ in 0..<Self.rounds {
      multiplySerially(
        m: side, n: side, k: max(rows, columns), operand(x, columns, transposed: !isWide),
        operand(x, columns, transposed: isWide), into: gram, stride: side)
      polynomial.update(from: gram, count: side * side)
      multiplySerially(
        m: side, n: side, k: side, alpha: Self.c, operand(gram, side), operand(gram, side), beta: Self.b,
        into: polynomial, stride: side)
      next.update(from: x, count: count)
      let (left, right) =
        isWide
        ? (operand(polynomial, side), operand(x, columns)) : (operand(x, columns), operand(polynomial, side))
      multiplySerially(
        m: rows, n: columns, k: side, left, right, beta: Self.a, into: next, stride: columns)
      swap(&x, &next)
    }
    return UnsafePointer(x)
  }
}

/// Sum of squares in double precision, on the calling thread.
func sumOfSquaresSerially(_ x: UnsafePointer<Float>, count: Int) -> Double { tsr_dot(x, x, count) }
