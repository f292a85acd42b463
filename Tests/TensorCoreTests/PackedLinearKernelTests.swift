import CKernels
import Glibc
@testable import TensorCore
import Testing
import TestSupport

/// The three packed linear layers against sums in double, in all versions that the processor has.
@Suite struct PackedLinearKernelTests {
  static let panel = Int(TSR_PANEL)
  /// A processor that has not all of them repeats a version. On ARM the same numbers are NEON and dot products.
  static let versions = [TSR_PORTABLE, TSR_AVX2, TSR_AVX512]
  static let rowCounts = [0, 1, 2, 5, 7, 8, 12, 13, 16, 27]
  static let shapes = [(n: 1, k: 1), (n: 33, k: 7), (n: 64, k: 100), (n: 70, k: 3)]

  /// A layer as the kernels see it, whatever the format.
  struct Layer {
    let n, k: Int
    /// The weights and activations that the format makes of the given ones, [n, k] and [rows, k].
    let weight, x: [Double]
    /// Computes into y, whose rows are `stride` apart, for panels of a range.
    let apply:
      (_ y: inout [Float], _ stride: Int, _ rows: Range<Int>, _ panels: Range<Int>, _ adding: Bool) -> Void
  }

  enum Format: CaseIterable { case float32, bfloat16, int8 }

  static func layer(_ format: Format, limit: tsr_vectors, rows: Int, n: Int, k: Int) -> Layer {
    let (x, weight) = (normals(rows * k, 71), normals(n * k, 72))
    let (count, even) = ((n + panel - 1) / panel * panel, (k + 1) / 2 * 2)
    func share(_ xStride: Int, _ stride: Int, _ rows: Range<Int>, _ panels: Range<Int>, _ adding: Bool)
      -> tsr_linear_share
    {
      tsr_linear_share(
        rows: rows.count, n: n, k: k, x_stride: xStride, y_stride: stride, first_panel: panels.lowerBound,
        last_panel: panels.upperBound, adding: adding)
    }
    switch format {
    case .float32:
      var packed = [Float](repeating: .nan, count: count * k)
      tsr_pack_panels(&packed, weight, n, k)
      return Layer(n: n, k: k, weight: weight.map { Double($0) }, x: x.map { Double($0) }) {
        [packed] y, stride, rows, panels, adding in
        x.withUnsafeBufferPointer { x in
          tsr_packed_linear(
            &y, x.baseAddress.map { $0 + rows.lowerBound * k }, packed,
            share(k, stride, rows, panels, adding), limit)
        }
      }
    case .bfloat16:
      var packed = [UInt16](repeating: 1, count: count * even)
      tsr_pack_panels_bfloat16(&packed, weight, n, k)
      var halves = [UInt16](repeating: 0, count: rows * even)
      for row in 0..<rows {
        halves.withUnsafeMutableBufferPointer {
          tsr_to_bfloat16($0.baseAddress! + row * even, Array(x[row * k..<(row + 1) * k]), k)
        }
      }
      return Layer(n: n, k: k, weight: weight.map(rounded), x: x.map(rounded)) {
        [packed, halves] y, stride, rows, panels, adding in
        halves.withUnsafeBufferPointer { x in
          tsr_packed_linear_bfloat16(
            &y, x.baseAddress.map { $0 + rows.lowerBound * even }, packed,
            share(even, stride, rows, panels, adding), limit)
        }
      }
    case .int8:
      var (packed, scales) = (
        [Int8](repeating: 1, count: count * even), [Float](repeating: .nan, count: count)
      )
      tsr_pack_panels_int8(&packed, &scales, weight, n, k)
      var (q, factors) = ([Int16](repeating: 1, count: rows * even), [Float](repeating: .nan, count: rows))
      tsr_quantize_rows(&q, &factors, x, rows, k, even)
      let stored = (0..<n * k).map { place in
        let (output, input) = (place / k, place % k)
        let entry = (output / panel * even / 2 + input / 2) * 2 * panel + output % panel * 2 + input % 2
        return Double(packed[entry]) * Double(scales[output])
      }
      let activations = (0..<rows * k).map { Double(q[$0 / k * even + $0 % k]) * Double(factors[$0 / k]) }
      return Layer(n: n, k: k, weight: stored, x: activations) {
        [packed, scales, q, factors] y, stride, rows, panels, adding in
        q.withUnsafeBufferPointer { x in
          factors.withUnsafeBufferPointer {
            tsr_packed_linear_int8(
              &y, x.baseAddress.map { $0 + rows.lowerBound * even },
              $0.baseAddress.map { $0 + rows.lowerBound }, packed, scales,
              share(even, stride, rows, panels, adding), limit)
          }
        }
      }
    }
  }

  static func rounded(_ x: Float) -> Double {
    var (bits, value) = (UInt16(0), x)
    tsr_to_bfloat16(&bits, &value, 1)
    return Double(Float(bitPattern: UInt32(bits) << 16))
  }

  @Test(arguments: Format.allCases, versions) func sums(format: Format, limit: tsr_vectors) {
    for (rows, shape) in Self.rowCounts.flatMap({ rows in Self.shapes.map { (rows, $0) } }) {
      let (n, k) = shape
      let layer = Self.layer(format, limit: limit, rows: rows, n: n, k: k)
      let stride = n + 3
      let before = normals(rows * stride, 73)
      for adding in [false, true] {
        var y = before
        layer.apply(&y, stride, 0..<rows, 0..<(n + Self.panel - 1) / Self.panel, adding)
        let exact = y.indices.map { i in
          let (row, column) = (i / stride, i % stride)
          guard column < n else { return ExactSum(Double(before[i])) }
          var sum = ExactSum(adding ? Double(before[i]) : 0)
          for j in 0..<k { sum.add(layer.x[row * k + j] * layer.weight[column * k + j]) }
          return sum
        }
        // Of int8 only the last steps round: sum, scales, addition.
        expectWithin(
          y, exact, roundings: format == .int8 ? 6 : Double(k) + 3,
          "\(format) \(rows) rows of \(n) x \(k), adding \(adding)")
      }
    }
  }

  @Test(arguments: Format.allCases, versions) func aRowDoesNotDependOnItsBatch(
    format: Format, limit: tsr_vectors
  ) {
    let (n, k) = (77, 53)
    let layer = Self.layer(format, limit: limit, rows: 29, n: n, k: k)
    var all: [[Float]] = []
    for row in 0..<29 {
      var y = [Float](repeating: 0, count: n)
      layer.apply(&y, n, row..<row + 1, 0..<3, false)
      all.append(y)
    }
    for rows in 1...29 {
      var y = [Float](repeating: 0, count: rows * n)
      layer.apply(&y, n, 0..<rows, 0..<3, false)
      #expect(y == all[..<rows].flatMap { $0 }, "batch of \(rows)")
    }
  }

  @Test(arguments: Format.allCases, versions) func onlyTheAskedPanelsAreWritten(
    format: Format, limit: tsr_vectors
  ) {
    let layer = Self.layer(format, limit: limit, rows: 1, n: 80, k: 4)
    var y = [Float](repeating: -7, count: 80)
    layer.apply(&y, 80, 0..<1, 1..<2, false)
    #expect(y[..<32].allSatisfy { $0 == -7 } && y[64...].allSatisfy { $0 == -7 })
    #expect(!y[32..<64].contains(-7))
  }

  @Test func integersAreTheSameOnEveryProcessor() {
    for (rows, n, k) in [(1, 40, 7), (16, 64, 768), (13, 33, 2049)] {
      let layers = Self.versions.map { Self.layer(.int8, limit: $0, rows: rows, n: n, k: k) }
      let before = normals(rows * n, 74)
      for adding in [false, true] {
        let results = layers.map { layer in
          var y = before
          layer.apply(&y, n, 0..<rows, 0..<(n + 31) / 32, adding)
          return y
        }
        #expect(results[1] == results[0] && results[2] == results[0])
      }
    }
  }

  @Test(arguments: [1, 5, 768, 2048]) func quantizationErrorIsHalfAStep(k: Int) {
    let layer = Self.layer(.int8, limit: TSR_PORTABLE, rows: 2, n: 3, k: k)
    let original = normals(3 * k, 72)
    for row in 0..<3 {
      let largest = original[row * k..<(row + 1) * k].reduce(0) { max($0, abs($1)) }
      for i in row * k..<(row + 1) * k {
        #expect(abs(layer.weight[i] - Double(original[i])) <= Double(largest) / 254 * 1.0001)
      }
    }
    let x = normals(2 * k, 71)
    for row in 0..<2 {
      let largest = Double(x[row * k..<(row + 1) * k].reduce(0) { max($0, abs($1)) })
      let steps = min(32767, (2_147_483_647 / 128 / Double(k)).rounded(.down))
      for i in row * k..<(row + 1) * k {
        #expect(abs(layer.x[i] - Double(x[i])) <= largest / (2 * steps) * 1.001)
      }
    }
  }

  @Test func theLargestSumsDoNotOverflow() {
    for k in [1, 2, 511, 512, 768, 8640, 65_536] {
      var (packed, scale) = (
        [Int8](repeating: 0, count: 32 * ((k + 1) / 2 * 2)), [Float](repeating: 0, count: 32)
      )
      tsr_pack_panels_int8(&packed, &scale, [Float](repeating: -2, count: k), 1, k)
      var (q, factor) = ([Int16](repeating: 0, count: (k + 1) / 2 * 2), Float(0))
      tsr_quantize_rows(&q, &factor, [Float](repeating: 3, count: k), 1, k, (k + 1) / 2 * 2)
      var y: Float = 0
      let share = tsr_linear_share(
        rows: 1, n: 1, k: k, x_stride: q.count, y_stride: 1, first_panel: 0, last_panel: 1, adding: false)
      tsr_packed_linear_int8(&y, q, &factor, packed, scale, share, TSR_ALL_VECTORS)
      #expect(abs(y + 6 * Float(k)) <= 6 * Float(k) * 1e-6, "\(k) inputs")
    }
  }

  @Test func zeroAndNotFiniteRowsOfIntegers() {
    var (q, scales) = ([Int16](repeating: 9, count: 16), [Float](repeating: 9, count: 4))
    tsr_quantize_rows(&q, &scales, [0, 0, 1, .nan, .infinity, 1, 1e-38, -1e-38], 4, 2, 4)
    #expect(q[..<4] == [0, 0, 0, 0] && scales[0] == 0)
    #expect(scales[1].isNaN && scales[2].isNaN && scales[3] >= 0 && q[12...] == [0, 0, 0, 0])
    var (packed, factors) = ([Int8](repeating: 9, count: 64), [Float](repeating: 9, count: 32))
    tsr_pack_panels_int8(&packed, &factors, [0, 0, 1, .nan], 2, 2)
    #expect(packed.allSatisfy { $0 == 0 } && factors[0] == 0 && factors[1].isNaN && factors[2] == 0)
  }

  @Test(arguments: [1, 32, 40, 70]) func gatedPanels(h: Int) {
    let (rows, padded) = (3, (h + 31) / 32 * 32)
    let both = normals(rows * 2 * padded, 76)
    var y = [Float](repeating: .nan, count: rows * h)
    tsr_swiglu_panels(&y, both, rows, h, 0, padded / 32)
    let exact = y.indices.map { i in
      let (row, channel) = (i / h, i % h)
      let start = row * 2 * padded + channel / 32 * 64 + channel % 32
      let (gate, up) = (Double(both[start]), Double(both[start + 32]))
      return ExactSum(gate / (1 + exp(-gate)) * up)
    }
    expectWithin(y, exact, roundings: 12, "gated panels")
  }
}
