import CKernels
import TensorCore

/// Embeddings that sampling looks up: rows of float32, or of bfloat16 where weights are smaller too.
struct EmbeddingTable {
  private let width: Int
  private let precision: SamplingPrecision
  private let rows: UnsafeMutableRawPointer
  private let memory: StreamedMemory

  /// A table still to be filled.
  init(rows: Int, width: Int, _ precision: SamplingPrecision, in memory: StreamedMemory) {
    (self.width, self.precision, self.memory) = (width, precision, memory)
    self.rows = memory.take(rows * width * Self.elementBytes(precision))
  }

  /// Memory of a table.
  static func bytes(rows: Int, width: Int, _ precision: SamplingPrecision) -> Int {
    StreamedMemory.reserved(rows * width * elementBytes(precision))
  }

  private static func elementBytes(_ precision: SamplingPrecision) -> Int { precision == .float32 ? 4 : 2 }

  /// Sets all rows.
  /// - Parameter table: [rows, width].
  func fill(_ table: UnsafePointer<Float>, rows count: Int) {
    if precision == .float32 {
      rows.assumingMemoryBound(to: Float.self).update(from: table, count: count * width)
    } else {
      tsr_to_bfloat16(rows.assumingMemoryBound(to: UInt16.self), table, count * width)
    }
  }

  /// Writes one row's embedding.
  func copy(_ row: Int, to target: UnsafeMutablePointer<Float>) {
    if precision == .float32 {
      target.update(from: rows.assumingMemoryBound(to: Float.self) + row * width, count: width)
    } else {
      let halves = rows.assumingMemoryBound(to: UInt16.self) + row * width
      for i in 0..<width { target[i] = Float(bitPattern: UInt32(halves[i]) << 16) }
    }
  }
}
