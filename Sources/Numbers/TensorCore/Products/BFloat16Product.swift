#if OneDNN
  import COneDNN

  /// Matrix products of operands rounded to bfloat16, summed in float32. Operands are rounded by all threads
  /// first, unless they were prepared; then each thread computes its own rows or columns.
  final class BFloat16Product {
    private struct Shape: Hashable {
      var m: Int
      var n: Int
      var k: Int
      var transposedA: Bool
      var transposedB: Bool
      var strideA: Int
      var strideB: Int
      var strideC: Int
      var accumulates: Bool
    }
    private var primitives: [Shape: OpaquePointer] = [:]

    deinit { for primitive in primitives.values { tsr_matmul_destroy(primitive) } }

    /// Below this many multiplications the rounding costs more than it gains.
    static let smallest = 1 << 20

    func multiply(
      _ device: Device, m: Int, n: Int, k: Int, _ a: MatrixOperand, _ b: MatrixOperand, accumulates: Bool,
      into c: UnsafeMutablePointer<Float>, stride: Int
    ) {
      let (rowsA, columnsA) = a.transposed ? (k, m) : (m, k)
      let (rowsB, columnsB) = b.transposed ? (n, k) : (k, n)
      let roundedA = a.rounded ?? device.rounded(a, rows: rowsA, columns: columnsA)
      let roundedB = b.rounded ?? device.rounded(b, rows: rowsB, columns: columnsB)
      precondition(
        roundedA.shape == [rowsA, columnsA] && roundedB.shape == [rowsB, columnsB],
        "multiply: prepared as \(roundedA.shape) and \(roundedB.shape) for m \(m), n \(n), k \(k)")
      // The library repacks both operands for each part: the longer side is cut, so that the larger operand is
      // repacked once.
      let byRows = m >= n
      let length = byRows ? m : n
      let edges =
        device.productParts == .ofFixedSize
        ? device.fixedEdges(length)
        : device.edges(length, parts: min(device.threads.count, (length + 15) / 16))
      let parts = edges.count - 1
      let made = (0..<parts).map { part in
        let size = edges[part + 1] - edges[part]
        return primitive(
          Shape(
            m: byRows ? size : m, n: byRows ? n : size, k: k, transposedA: a.transposed,
            transposedB: b.transposed, strideA: columnsA, strideB: columnsB, strideC: stride,
            accumulates: accumulates))
      }
      device.forRanges(parts) { range in
        for part in range {
          let (row, column) = byRows ? (edges[part], 0) : (0, edges[part])
          let status = tsr_matmul_run(
            made[part], roundedA.pointer + row * (a.transposed ? 1 : k),
            roundedB.pointer + column * (b.transposed ? k : 1), c + row * stride + column)
          precondition(status == 0, "multiply: oneDNN status \(status) for m \(m), n \(n), k \(k)")
        }
      }
    }

    /// What multiplies operands of one shape on the calling thread.
    func serial(_ shape: SerialProductShape) -> OpaquePointer {
      primitive(
        Shape(
          m: shape.m, n: shape.n, k: shape.k, transposedA: shape.transposedA, transposedB: shape.transposedB,
          strideA: shape.strideA ?? (shape.transposedA ? shape.m : shape.k),
          strideB: shape.transposedB ? shape.k : shape.n,
          strideC: shape.strideC ?? shape.n,
          accumulates: shape.accumulates))
    }

    private func primitive(_ shape: Shape) -> OpaquePointer {
      if let known = primitives[shape] { return known }
      var described = tsr_matmul_shape(
        m: shape.m, n: shape.n, k: shape.k, transpose_a: shape.transposedA, transpose_b: shape.transposedB,
        accumulate: shape.accumulates, lda: shape.strideA, ldb: shape.strideB,
        ldc: shape.strideC)
      guard let made = tsr_matmul_create(&described) else {
        preconditionFailure("multiply: oneDNN has no bfloat16 product for \(shape)")
      }
      primitives[shape] = made
      return made
    }
  }
#endif
