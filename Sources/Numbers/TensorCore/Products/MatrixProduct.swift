import CKernels
import COpenBLAS

#if OneDNN
  import COneDNN
#endif

/// One operand of a matrix product: the first element, the distance between rows, and whether the stored
/// matrix is to be read transposed.
public struct MatrixOperand {
  /// Nil where only the rounded copy is kept.
  private var elements: UnsafePointer<Float>?
  let stride: Int
  var transposed: Bool
  /// A dense rounded copy of the stored matrix, where there is one.
  fileprivate(set) var rounded: BFloat16Tensor?
  /// Keeps the elements in memory, where nothing else may.
  private var owner: Tensor?

  var pointer: UnsafePointer<Float> {
    guard let elements else {
      preconditionFailure("MatrixOperand: a product in float32 of an operand that is kept in bfloat16 alone")
    }
    return elements
  }

  /// - Parameters:
  ///   - stride: elements from one stored row to the next.
  ///   - transposed: read the stored matrix as its transpose.
  public init(_ pointer: UnsafePointer<Float>, stride: Int, transposed: Bool = false) {
    (elements, self.stride, self.transposed) = (pointer, stride, transposed)
  }

  /// The rows [rows, columns] of a tensor, which the operand keeps in memory.
  init(_ x: Tensor) {
    self.init(x.pointer, stride: x.lastDimension)
    owner = x
  }

  /// A matrix [rows, columns] that is kept in bfloat16 alone.
  public init(_ rounded: BFloat16Tensor) {
    (elements, stride, transposed, self.rounded) = (nil, rounded.shape[1], false, rounded)
  }

  /// The operand that starts `rows` rows (of the matrix as it is read) further down.
  func advanced(rows: Int) -> MatrixOperand {
    MatrixOperand(pointer + rows * (transposed ? 1 : stride), stride: stride, transposed: transposed)
  }

  /// The operand that starts `columns` columns (of the matrix as it is read) further right.
  func advanced(columns: Int) -> MatrixOperand {
    MatrixOperand(pointer + columns * (transposed ? stride : 1), stride: stride, transposed: transposed)
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
    if !isSlowInOneDNN(n: n, a, b) {
      let status = tsr_dnnl_sgemm(
        a.transposed, b.transposed, m, n, k, alpha, a.pointer, a.stride, b.pointer, b.stride, beta, c, stride)
      precondition(status == 0, "multiplySerially: oneDNN status \(status) for m \(m), n \(n), k \(k)")
      return
    }
  #endif
  cblas_sgemm(
    CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans, b.transposed ? CblasTrans : CblasNoTrans,
    Int32(m), Int32(n), Int32(k), alpha, a.pointer, Int32(a.stride), b.pointer, Int32(b.stride), beta, c,
    Int32(stride))
}

#if OneDNN
  /// Whether AVX2 is the processor's widest vector unit. Some loops of oneDNN 2.6 were found slow there, and are left to others;
  /// with AVX-512 and on ARM they were not compared.
  func isWidestAVX2() -> Bool {
    #if arch(x86_64)
      tsr_has_wide_vectors() && !tsr_has_avx512()
    #else
      false
    #endif
  }

  /// A transposed operand whose rows are a multiple of 2 KB apart, and a result of fewer than 378 columns: measured up to 2.2 times as
  /// fast by OpenBLAS. Such products are the gradients of a narrow model's output layer. Does not depend on `m`, which
  /// threads cut.
  private func isSlowInOneDNN(n: Int, _ a: MatrixOperand, _ b: MatrixOperand) -> Bool {
    a.transposed && !b.transposed && n < 378 && a.stride % 512 == 0 && isWidestAVX2()
  }
#endif

extension Device {
  /// c [m, n] = alpha a [m, k] b [k, n] + beta c, whose parts the threads share out. With `beta` 0, c is only written. The same
  /// thread count gives the same bytes; with ``ProductParts/ofFixedSize`` any does. With `precision` bfloat16, large
  /// products round their operands first.
  public func multiply(
    m: Int, n: Int, k: Int, alpha: Float = 1, _ a: MatrixOperand, _ b: MatrixOperand, beta: Float = 0,
    into c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    #if OneDNN
      if alpha == 1, beta == 0 || beta == 1, roundsProducts(of: m * n * k) {
        return bfloat16Product.multiply(
          self, m: m, n: n, k: k, a, b, accumulates: beta == 1, into: c, stride: stride)
      }
    #endif
    if productParts == .ofFixedSize {
      let edges = fixedEdges(n)
      return forRanges(edges.count - 1) { parts in
        for part in parts {
          multiplySerially(
            m: m, n: edges[part + 1] - edges[part], k: k, alpha: alpha, a, b.advanced(columns: edges[part]),
            beta: beta, into: c + edges[part], stride: stride)
        }
      }
    }
    // Sixteen rows are the tallest tile of the libraries' kernels; thinner slices waste it.
    forRanges(m, grain: 16) { rows in
      multiplySerially(
        m: rows.count, n: n, k: k, alpha: alpha, a.advanced(rows: rows.lowerBound), b, beta: beta,
        into: c + rows.lowerBound * stride, stride: stride)
    }
  }
}

extension Device {
  /// Where the parts of `length` rows or columns begin, and the end: parts of about 256, a multiple of 16, so that packing the
  /// other operand for each of them costs little, and several threads have one each.
  func fixedEdges(_ length: Int) -> [Int] { edges(length, parts: max(1, length / 256)) }

  /// The same for a number of parts.
  func edges(_ length: Int, parts: Int) -> [Int] {
    (0...parts).map { $0 == parts ? length : (length * $0 / parts + 15) / 16 * 16 }
  }
}

extension MatrixOperand {
  /// The same stored matrix, read the other way.
  public var asTransposed: MatrixOperand {
    var other = self
    other.transposed.toggle()
    return other
  }
}

extension Device {
  /// An operand that several products read: a device of bfloat16 rounds it here, once, and not in each product. The
  /// elements must not change afterwards.
  /// - Parameters:
  ///   - rows: stored rows.
  ///   - columns: elements of a stored row.
  public func prepared(_ operand: MatrixOperand, rows: Int, columns: Int) -> MatrixOperand {
    var operand = operand
    if precision == .bfloat16 { operand.rounded = rounded(operand, rows: rows, columns: columns) }
    return operand
  }

  /// The rows of a tensor as the operand of several products, which outlives the tensor: it keeps either the elements or, where
  /// those products read rounded ones, a rounded copy alone.
  /// - Parameter multiplications: of each product, m * n * k.
  public func kept(_ x: Tensor, multiplications: Int) -> MatrixOperand {
    guard roundsProducts(of: multiplications) else { return MatrixOperand(x) }
    return MatrixOperand(rounded(MatrixOperand(x), rows: x.rowCount, columns: x.lastDimension))
  }

  /// Whether products of so many multiplications, m * n * k, round their operands.
  public func roundsProducts(of multiplications: Int) -> Bool {
    #if OneDNN
      precision == .bfloat16 && multiplications >= BFloat16Product.smallest
    #else
      false
    #endif
  }

  /// A dense rounded copy [rows, columns] of a stored matrix.
  func rounded(_ operand: MatrixOperand, rows: Int, columns: Int) -> BFloat16Tensor {
    let copy = emptyBFloat16([rows, columns])
    forRanges(rows) { range in
      let first = copy.pointer + range.lowerBound * columns
      let source = operand.pointer + range.lowerBound * operand.stride
      if operand.stride == columns {
        tsr_to_bfloat16(first, source, range.count * columns)
      } else {
        for row in 0..<range.count {
          tsr_to_bfloat16(first + row * columns, source + row * operand.stride, columns)
        }
      }
    }
    return copy
  }
}
