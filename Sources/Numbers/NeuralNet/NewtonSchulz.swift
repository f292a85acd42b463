import CKernels
import TensorCore

/// Brings the singular values of a matrix near 1 by five Newton-Schulz iterations, on the calling thread: X becomes
/// a X + (b G + c G^2) X, where G = X X^T. On a device of bfloat16 the operands of the products are rounded, as Muon's
/// authors have it; X, G and sums stay float32.
struct NewtonSchulz {
  /// The published polynomial a x + b x^3 + c x^5: it brings singular values from above 0.001 to between 0.7 and 1.2 in
  /// five rounds.
  static let (a, b, c): (Float, Float, Float) = (3.4445, -4.7750, 2.0315)
  static let rounds = 5

  /// The matrix and its next value, its Gram matrix and the polynomial of that.
  private let x, next, gram, polynomial: Tensor
  /// Nil where the format is float32.
  private let rounded: Rounded?

  /// Copies of the matrix and of a square matrix, and the products of each shape of matrix.
  private struct Rounded {
    let x, square: BFloat16Tensor
    let products: [Shape: Products]
  }

  private struct Shape: Hashable {
    let rows, columns: Int
  }

  private struct Products {
    let gram, square, update: SerialBFloat16Product
  }

  /// Space for each thread of a device, for matrices of some shapes.
  static func forThreads(of device: Device, shapes: [(rows: Int, columns: Int)]) -> [NewtonSchulz] {
    let elements = shapes.map { $0.rows * $0.columns }.max() ?? 0
    let side = shapes.map { min($0.rows, $0.columns) }.max() ?? 0
    let products = device.precision == .bfloat16 ? products(of: shapes, on: device) : nil
    return (0..<device.threads.count).map { _ in
      NewtonSchulz(
        x: device.empty([elements]), next: device.empty([elements]), gram: device.empty([side * side]),
        polynomial: device.empty([side * side]),
        rounded: products.map {
          Rounded(
            x: device.emptyBFloat16([elements]), square: device.emptyBFloat16([side * side]), products: $0)
        })
    }
  }

  private static func products(of shapes: [(rows: Int, columns: Int)], on device: Device) -> [Shape: Products]
  {
    var products: [Shape: Products] = [:]
    for (rows, columns) in shapes where products[Shape(rows: rows, columns: columns)] == nil {
      let (isWide, side, long) = (rows <= columns, min(rows, columns), max(rows, columns))
      var (gram, update) = (
        SerialProductShape(m: side, n: side, k: long), SerialProductShape(m: rows, n: columns, k: side)
      )
      (gram.transposedA, gram.transposedB) = (!isWide, isWide)
      update.accumulates = true
      products[Shape(rows: rows, columns: columns)] = Products(
        gram: device.serialBFloat16Product(gram),
        square: device.serialBFloat16Product(SerialProductShape(m: side, n: side, k: side)),
        update: device.serialBFloat16Product(update))
    }
    return products
  }

  /// Where the matrix is put first.
  var start: UnsafeMutablePointer<Float> { x.pointer }

  /// The matrix [rows, columns] at `start`, with singular values between 0.7 and 1.2; zeros stay zeros. It is read as it is, or,
  /// where it has more rows than columns, multiplied from the other side: the Gram matrix is then the smaller one.
  func orthogonalized(rows: Int, columns: Int) -> UnsafePointer<Float> {
    let count = rows * columns
    tsr_scale(start, 1 / (Float(sumOfSquaresSerially(start, count: count).squareRoot()) + 1e-7), start, count)
    var (current, following) = (start, next.pointer)
    let products = rounded?.products[Shape(rows: rows, columns: columns)]
    precondition(
      (products == nil) == (rounded == nil), "orthogonalized: [\(rows), \(columns)] is none of the shapes")
    for _ in 0..<Self.rounds {
      if let rounded, let products {
        iterate(current, into: following, rows: rows, columns: columns, rounded, products)
      } else {
        iterate(current, into: following, rows: rows, columns: columns)
      }
      swap(&current, &following)
    }
    return UnsafePointer(current)
  }

  private func iterate(
    _ x: UnsafeMutablePointer<Float>, into next: UnsafeMutablePointer<Float>, rows: Int, columns: Int
  ) {
    let (isWide, side) = (rows <= columns, min(rows, columns))
    let (gram, polynomial) = (gram.pointer, polynomial.pointer)
    func operand(_ matrix: UnsafeMutablePointer<Float>, _ stride: Int, transposed: Bool = false)
      -> MatrixOperand
    {
      MatrixOperand(matrix, stride: stride, transposed: transposed)
    }
    multiplySerially(
      m: side, n: side, k: max(rows, columns), operand(x, columns, transposed: !isWide),
      operand(x, columns, transposed: isWide), into: gram, stride: side)
    polynomial.update(from: gram, count: side * side)
    multiplySerially(
      m: side, n: side, k: side, alpha: Self.c, operand(gram, side), operand(gram, side), beta: Self.b,
      into: polynomial, stride: side)
    next.update(from: x, count: rows * columns)
    let (left, right) =
      isWide
      ? (operand(polynomial, side), operand(x, columns)) : (operand(x, columns), operand(polynomial, side))
    multiplySerially(m: rows, n: columns, k: side, left, right, beta: Self.a, into: next, stride: columns)
  }

  /// The same with rounded operands.
  private func iterate(
    _ x: UnsafeMutablePointer<Float>, into next: UnsafeMutablePointer<Float>, rows: Int, columns: Int,
    _ rounded: Rounded, _ products: Products
  ) {
    let (count, side) = (rows * columns, min(rows, columns))
    let (gram, polynomial) = (gram.pointer, polynomial.pointer)
    let (roundedX, square) = (rounded.x.pointer, rounded.square.pointer)
    tsr_to_bfloat16(roundedX, x, count)
    products.gram(roundedX, roundedX, into: gram)
    tsr_to_bfloat16(square, gram, side * side)
    products.square(square, square, into: polynomial)
    tsr_scale(polynomial, Self.c, polynomial, side * side)
    tsr_axpy(polynomial, Self.b, gram, side * side)
    tsr_to_bfloat16(square, polynomial, side * side)
    tsr_scale(next, Self.a, x, count)
    let (left, right) = rows <= columns ? (square, roundedX) : (roundedX, square)
    products.update(left, right, into: next)
  }
}
