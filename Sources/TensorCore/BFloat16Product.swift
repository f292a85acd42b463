#if OneDNN
  import CKernels
  import COneDNN

  /// Matrix products of operands rounded to bfloat16, summed in float32. Operands are rounded by all threads
  /// first; then each thread computes its own columns.
  final class BFloat16Product {
    private struct Shape: Hashable {
      var m: Int
      var n: Int
      var k: Int
      var transposedA: Bool
      var transposedB: Bool
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
      let roundedA = rounded(device, a, rows: a.transposed ? k : m, columns: a.transposed ? m : k)
      let roundedB = rounded(device, b, rows: b.transposed ? n : k, columns: b.transposed ? k : n)
      let parts = min(device.threads.count, (n + 15) / 16)
      let edges = (0...parts).map { $0 == parts ? n : (n * $0 / parts + 15) / 16 * 16 }
      let made = (0..<parts).map { part in
        primitive(
          Shape(
            m: m, n: edges[part + 1] - edges[part], k: k, transposedA: a.transposed,
            transposedB: b.transposed,
            strideB: b.transposed ? k : n, strideC: stride, accumulates: accumulates))
      }
      device.forRanges(parts) { range in
        for part in range {
          let columns = edges[part]
          let status = tsr_matmul_run(
            made[part], roundedA.pointer, roundedB.pointer + columns * (b.transposed ? k : 1), c + columns)
          precondition(status == 0, "multiply: oneDNN status \(status) for m \(m), n \(n), k \(k)")
        }
      }
    }

    /// A dense copy [rows, columns] of a stored matrix. Two bfloat16 numbers take the place of a float.
    private func rounded(_ device: Device, _ operand: MatrixOperand, rows: Int, columns: Int) -> Halves {
      let halves = Halves(device.empty([(rows * columns + 1) / 2]))
      device.forRanges(rows) { range in
        if operand.stride == columns {
          tsr_to_bfloat16(
            halves.pointer + range.lowerBound * columns, operand.pointer + range.lowerBound * columns,
            range.count * columns)
        } else {
          for row in range {
            tsr_to_bfloat16(halves.pointer + row * columns, operand.pointer + row * operand.stride, columns)
          }
        }
      }
      return halves
    }

    private struct Halves {
      let memory: Tensor
      let pointer: UnsafeMutablePointer<UInt16>

      init(_ memory: Tensor) {
        self.memory = memory
        pointer = UnsafeMutableRawPointer(memory.pointer).assumingMemoryBound(to: UInt16.self)
      }
    }

    private func primitive(_ shape: Shape) -> OpaquePointer {
      if let known = primitives[shape] { return known }
      var described = tsr_matmul_shape(
        m: shape.m, n: shape.n, k: shape.k, transpose_a: shape.transposedA, transpose_b: shape.transposedB,
        accumulate: shape.accumulates, lda: shape.transposedA ? shape.m : shape.k, ldb: shape.strideB,
        ldc: shape.strideC)
      guard let made = tsr_matmul_create(&described) else {
        preconditionFailure("multiply: oneDNN has no bfloat16 product for \(shape)")
      }
      primitives[shape] = made
      return made
    }
  }
#endif
