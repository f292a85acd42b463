import CKernels
import TensorCore

/// Rows of activations in the format that packed weights are multiplied with: one thread's copy. Each thread
/// makes its own, which costs little beside the product and saves waiting for the others.
struct ActivationRows {
  let precision: SamplingPrecision
  /// Values of a row.
  let width: Int
  /// Values from one row to the next. Rows that are a multiple of 4 KB apart would compete for the same few
  /// lines of the first-level cache, so they are an odd number of lines apart.
  let stride: Int
  let memory: UnsafeMutableRawPointer
  /// A factor for each row, of int8 only.
  let scales: UnsafeMutablePointer<Float>
  private let row: UnsafeMutablePointer<Float>

  /// Views a thread's memory, of at least ``floats(rows:width:)``, as rows.
  init(_ memory: UnsafeMutablePointer<Float>, rows: Int, width: Int, _ precision: SamplingPrecision) {
    (self.precision, self.width) = (precision, width)
    stride = Self.lines(width, precision) * 64 / Self.elementBytes(precision)
    row = memory
    scales = memory + Self.padded(width)
    self.memory = UnsafeMutableRawPointer(scales + Self.padded(rows))
  }

  /// Memory for rows in any format, in float32 numbers; a multiple of 64 bytes.
  static func floats(rows: Int, width: Int) -> Int {
    padded(width) + padded(rows) + rows * lines(width, .float32) * 16
  }

  private static func padded(_ count: Int) -> Int { (count + 15) / 16 * 16 }
  private static func elementBytes(_ precision: SamplingPrecision) -> Int { precision == .float32 ? 4 : 2 }
  private static func lines(_ width: Int, _ precision: SamplingPrecision) -> Int {
    (width * elementBytes(precision) + 63) / 64 | 1
  }

  /// Takes rows as they are.
  /// - Parameter x: [rows, width].
  func load(_ x: UnsafePointer<Float>, rows: Int) {
    for index in 0..<rows { store(x + index * width, index) }
  }

  /// Takes rows after RMSNorm.
  /// - Parameter x: [rows, width].
  func load(normalizing x: UnsafePointer<Float>, rows: Int, weight: Tensor, epsilon: Float) {
    var inverse: Float = 0
    for index in 0..<rows {
      tsr_rms_norm(row, &inverse, x + index * width, weight.pointer, epsilon, 1, width)
      store(row, index)
    }
  }

  private func store(_ x: UnsafePointer<Float>, _ index: Int) {
    let target = memory + index * stride * Self.elementBytes(precision)
    switch precision {
    case .float32: target.assumingMemoryBound(to: Float.self).update(from: x, count: width)
    case .bfloat16:
      let halves = target.assumingMemoryBound(to: UInt16.self)
      tsr_to_bfloat16(halves, x, width)
      if width % 2 == 1 { halves[width] = 0 }
    case .int8:
      tsr_quantize_rows(target.assumingMemoryBound(to: Int16.self), scales + index, x, 1, width, stride)
    }
  }
}
