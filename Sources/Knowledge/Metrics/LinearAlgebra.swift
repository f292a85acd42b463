import COpenBLAS
import TensorCore

// Products are cut into blocks of rows that our own threads take in turn, each calling the library on
// one thread. LAPACK runs on one thread: its many small parallel steps wait for each other, and on a busy
// machine with two cores that was measured ten times slower than doing without.

extension Device {
  /// Runs `body(range, thread)` over blocks that cover `0..<count`; block b is done by thread b modulo
  /// the number of threads, so that blocks of falling cost are shared evenly.
  func forBlocks(_ count: Int, size: Int, _ body: (Range<Int>, Int) -> Void) {
    let blocks = (count + size - 1) / size
    threads.run { thread in
      for block in stride(from: thread, to: blocks, by: threads.count) {
        body(block * size..<min(count, (block + 1) * size), thread)
      }
    }
  }

  /// c [m, n] = a [m, k] b [k, n], where b is stored transposed as [n, k] if `transposed`.
  func product(
    _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, transposed: Bool, m: Int, n: Int, k: Int
  ) -> [Double] {
    [Double](unsafeUninitializedCapacity: m * n) { c, filled in
      filled = m * n
      guard let target = c.baseAddress, m * n > 0 else { return }
      forBlocks(m, size: 256) { rows, _ in
        cblas_dgemm(
          CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, Int32(rows.count), Int32(n),
          Int32(k), 1,
          a + rows.lowerBound * k, Int32(k), b, Int32(transposed ? k : n), 0, target + rows.lowerBound * n,
          Int32(n))
      }
    }
  }

  /// The symmetric matrix xᵀ x [d, d] of x [n, d].
  func gramMatrix(_ x: UnsafePointer<Double>, n: Int, d: Int) -> [Double] {
    var gram = [Double](repeating: 0, count: d * d)
    gram.withUnsafeMutableBufferPointer { gram in
      guard let target = gram.baseAddress else { return }
      forBlocks(d, size: 128) { rows, _ in
        let first = rows.lowerBound
        cblas_dgemm(
          CblasRowMajor, CblasTrans, CblasNoTrans, Int32(rows.count), Int32(d - first), Int32(n), 1,
          x + first,
          Int32(d), x + first, Int32(d), 0, target + first * d + first, Int32(d))
      }
      for i in 0..<d { for j in i..<d { target[j * d + i] = target[i * d + j] } }
    }
    return gram
  }
}

/// A factor f [rank, d] of a positive semi-definite matrix s [d, d] = fᵀ f, by Cholesky's method with
/// complete pivoting. What is left when the largest pivot has sunk to rounding error is dropped, so the
/// rank is at most one less than the number of images behind a covariance.
func semidefiniteFactor(_ s: [Double], d: Int) -> (rank: Int, elements: [Double]) {
  var a = s
  var (order, rank, info) = (Int32(d), Int32(0), Int32(0))
  var pivots = [Int32](repeating: 0, count: d)
  var work = [Double](repeating: 0, count: 2 * d)
  var tolerance = Double(d) * 0x1p-52 * ((0..<d).map { s[$0 * d + $0] }.max() ?? 0)
  dpstrf_("L", &order, &a, &order, &pivots, &rank, &tolerance, &work, &info, 1)
  precondition(info >= 0, "dpstrf: argument \(-info)")
  var factor = [Double](repeating: 0, count: Int(rank) * d)
  // Column j of the lower factor in LAPACK's order is row j of its transpose in ours.
  for j in 0..<Int(rank) {
    for i in j..<d { factor[j * d + Int(pivots[i]) - 1] = a[j * d + i] }
  }
  return (Int(rank), factor)
}

/// What Cholesky's factor leaves of a symmetric matrix s [d, d] that is clearly not positive semi-definite: the largest
/// element of s - fᵀ f, where it is above a thousandth of the largest variance. Nil for a covariance, whose numbers may
/// have been rounded to float32.
func indefiniteResidual(_ s: [Double], d: Int) -> Double? {
  let (rank, factor) = semidefiniteFactor(s, d: d)
  let largest = (0..<d).map { s[$0 * d + $0] }.max() ?? 0
  var rest = s
  if rank > 0 {
    cblas_dgemm(
      CblasRowMajor, CblasTrans, CblasNoTrans, Int32(d), Int32(d), Int32(rank), -1, factor, Int32(d), factor,
      Int32(d), 1, &rest, Int32(d))
  }
  let left = rest.reduce(0) { max($0, abs($1)) }
  return left > 1e-3 * largest ? left : nil
}

/// The eigenvalues of a symmetric matrix [n, n], ascending; the matrix is overwritten.
func symmetricEigenvalues(_ matrix: inout [Double], n: Int) throws(MetricsError) -> [Double] {
  if n == 0 { return [] }
  var (order, info) = (Int32(n), Int32(0))
  var values = [Double](repeating: 0, count: n)
  var (size, integerSize) = (0.0, Int32(0))
  var query = Int32(-1)
  dsyevd_("N", "L", &order, &matrix, &order, &values, &size, &query, &integerSize, &query, &info, 1, 1)
  var (workSize, work) = (Int32(size), [Double](repeating: 0, count: Int(size)))
  var integers = [Int32](repeating: 0, count: Int(integerSize))
  dsyevd_("N", "L", &order, &matrix, &order, &values, &work, &workSize, &integers, &integerSize, &info, 1, 1)
  precondition(info >= 0, "dsyevd: argument \(-info)")
  guard info == 0 else { throw .noConvergence(order: n) }
  return values
}
