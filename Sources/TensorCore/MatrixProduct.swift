import CKernels
import COpenBLAS

#if OneDNN
  import COneDNN
#endif

/// One operand of a matrix product: the first element, the distance between rows, and whether the stored
/// matrix is to be read transposed.
public struct MatrixOperand {
  let pointer: UnsafePointer<Float>
  let stride: Int
  let transposed: Bool

  /// - Parameters:
  ///   - stride: elements from one stored row to the next.
  ///   - transposed: read the stored matrix as its transpose.
  public init(_ pointer: UnsafePointer<Float>, stride: Int, transposed: Bool = false) {
    (self.pointer, self.stride, self.transposed) = (pointer, stride, transposed)
  }

  /// The operand that starts `rows` rows (of the matrix as it is read) further down.
  func advanced(rows: Int) -> MatrixOperand {
    MatrixOperand(pointer + rows * (transposed ? 1 : stride), stride: stride, transposed: transposed)
  }
}

/// c [m, n] = alpha a [m, k] b [k, n] + beta c on the calling thread. With `beta` 0, c is only written.
public func multiplySerially(
  m: Int, n: Int, k: Int, alpha: Float = 1, _ a: MatrixOperand, _ b: MatrixOperand, beta: Float = 0,
  into c: UnsafeMutablePointer<Float>, stride: Int
) {
  if m == 0 || n == 0 { return }
  if k == 0 {
    // oneDNN leaves c as it is, even with beta 0.
    for row in 0..<m {
      if beta == 0 {
        (c + row * stride).update(repeating: 0, count: n)
      } else {
        tsr_scale(c + row * stride, beta, c + row * stride, n)
      }
    }
    return
  }
  #if OneDNN
    let status = tsr_dnnl_sgemm(
      a.transposed, b.transposed, m, n, k, alpha, a.pointer, a.stride, b.pointer, b.stride, beta, c, stride)
    precondition(status == 0, "multiplySerially: oneDNN status \(status) for m \(m), n \(n), k \(k)")
  #else
    cblas_sgemm(
      CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans, b.transposed ? CblasTrans : CblasNoTrans,
      Int32(m), Int32(n), Int32(k), alpha, a.pointer, Int32(a.stride), b.pointer, Int32(b.stride), beta, c,
      Int32(stride))
  #endif
}

extension Device {
  /// c [m, n] = alpha a [m, k] b [k, n] + beta c, the rows of c shared out among the threads. With `beta`
  /// 0, c is only written. The same thread count gives the same bytes. With `precision` bfloat16, large products
  /// round their operands first.
  public func multiply(
    m: Int, n: Int, k: Int, alpha: Float = 1, _ a: MatrixOperand, _ b: MatrixOperand, beta: Float = 0,
    into c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    #if OneDNN
      if precision == .bfloat16, alpha == 1, beta == 0 || beta == 1, m * n * k >= BFloat16Product.smallest {
        return bfloat16Product.multiply(
          self, m: m, n: n, k: k, a, b, accumulates: beta == 1, into: c, stride: stride)
      }
    #endif
    // Sixteen rows are the tallest tile of the libraries' kernels; thinner slices waste it.
    forRanges(m, grain: 16) { rows in
      multiplySerially(
        m: rows.count, n: n, k: k, alpha: alpha, a.advanced(rows: rows.lowerBound), b, beta: beta,
        into: c + rows.lowerBound * stride, stride: stride)
    }
  }
}

extension MatrixOperand {
  /// The same stored matrix, read the other way.
  public var asTransposed: MatrixOperand {
    MatrixOperand(pointer, stride: stride, transposed: !transposed)
  }
}
