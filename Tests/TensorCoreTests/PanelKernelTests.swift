import CKernels
import TestSupport
import Testing

/// Packed linear layers, patches and nearest-code search.
@Suite struct PanelKernelTests {
  static let panel = Int(TSR_PANEL)

  func packed(_ weight: [Float], _ n: Int, _ k: Int) -> [Float] {
    var packed = [Float](repeating: .nan, count: (n + Self.panel - 1) / Self.panel * Self.panel * k)
    tsr_pack_panels(&packed, weight, n, k)
    return packed
  }

  @Test(arguments: [(1, 1), (31, 5), (32, 16), (33, 7), (100, 129)]) func panelsHoldTheWeights(n: Int, k: Int)
  {
    let weight = normals(n * k, 70)
    let panels = packed(weight, n, k)
    for place in panels.indices {
      let (output, input) = (place / Self.panel / k * Self.panel + place % Self.panel, place / Self.panel % k)
      #expect(panels[place] == (output < n ? weight[output * k + input] : 0))
    }
  }

  @Test(arguments: [0, 1, 2, 5, 6, 7, 13], [(1, 1), (33, 7), (64, 100), (70, 3)])
  func packedLinear(rows: Int, shape: (n: Int, k: Int)) {
    let (n, k) = shape
    let (x, weight) = (normals(rows * k, 71), normals(n * k, 72))
    let panels = packed(weight, n, k)
    let (stride, count) = (n + 3, (n + Self.panel - 1) / Self.panel)
    let before = normals(rows * stride, 73)
    for adding in [false, true] {
      var y = before
      tsr_packed_linear(&y, stride, x, panels, rows, n, k, 0, count, adding)
      let exact = y.indices.map { i in
        let (row, column) = (i / stride, i % stride)
        guard column < n else { return ExactSum(Double(before[i])) }
        var sum = ExactSum(adding ? Double(before[i]) : 0)
        for j in 0..<k { sum.add(Double(x[row * k + j]) * Double(weight[column * k + j])) }
        return sum
      }
      expectWithin(y, exact, roundings: Double(k) + 2, "packed linear, adding \(adding)")
    }
  }

  @Test func aRowDoesNotDependOnItsBatch() {
    let (n, k) = (77, 53)
    let (x, panels) = (normals(13 * k, 74), packed(normals(n * k, 75), n, k))
    var alone = [Float](repeating: 0, count: 13 * n)
    for row in 0..<13 {
      x.withUnsafeBufferPointer { x in
        alone.withUnsafeMutableBufferPointer {
          tsr_packed_linear(
            $0.baseAddress! + row * n, n, x.baseAddress! + row * k, panels, 1, n, k, 0, 3, false)
        }
      }
    }
    for rows in 1...13 {
      var y = [Float](repeating: 0, count: rows * n)
      tsr_packed_linear(&y, n, x, panels, rows, n, k, 0, 3, false)
      #expect(y == Array(alone[..<(rows * n)]), "batch of \(rows)")
    }
  }

  @Test func onlyTheAskedPanelsAreWritten() {
    let (n, k) = (80, 4)
    let panels = packed(normals(n * k, 76), n, k)
    var y = [Float](repeating: -7, count: n)
    tsr_packed_linear(&y, n, normals(k, 77), panels, 1, n, k, 1, 2, false)
    #expect(y[..<32].allSatisfy { $0 == -7 } && y[64...].allSatisfy { $0 == -7 })
    #expect(!y[32..<64].contains(-7))
  }

  @Test(arguments: [(1, 1, 0), (3, 1, 1), (3, 2, 0), (3, 2, 1), (2, 2, 0)], [1, 3, 17])
  func patchesAndTheirTranspose(window: (kernel: Int, stride: Int, pad: Int), channels: Int) {
    let (kernel, stride, pad) = window
    let (height, width) = (5, 7)
    let outWidth = (width + pad + 1 - kernel) / stride + 1,
      outHeight = (height + pad + 1 - kernel) / stride + 1
    let (first, rows) = (1, outHeight - 1)
    let image = normals(height * width * channels, 78)
    let size = kernel * kernel * channels
    var columns = [Float](repeating: .nan, count: rows * outWidth * size)
    tsr_patches(
      &columns, image, height, width, channels, kernel, kernel, stride, pad, pad, first, rows, outWidth)
    let back = normals(columns.count, 79)
    var added = image
    tsr_add_patches(
      &added, back, height, width, channels, kernel, kernel, stride, pad, pad, first, rows, outWidth)

    var exact = image.map { ExactSum(Double($0)) }
    for place in columns.indices {
      let (pixel, tap, c) = (place / size, place % size / channels, place % channels)
      let y = (first + pixel / outWidth) * stride + tap / kernel - pad
      let x = pixel % outWidth * stride + tap % kernel - pad
      let inside = (0..<height).contains(y) && (0..<width).contains(x)
      #expect(columns[place] == (inside ? image[(y * width + x) * channels + c] : 0))
      if inside { exact[(y * width + x) * channels + c].add(Double(back[place])) }
    }
    expectWithin(added, exact, roundings: Double(kernel * kernel), "patches added")
  }

  @Test(arguments: [1, 15, 16, 17, 50], [1, 3, 8]) func nearestByDistance(n: Int, d: Int) {
    let (rows, width) = (6, Int(TSR_CODE_PANEL))
    let (codes, x) = (normals(n * d, 82).map { $0.rounded() }, normals(rows * d, 83).map { $0.rounded() })
    let count = (n + width - 1) / width
    var panels = [Float](repeating: .nan, count: count * width * d)
    tsr_pack_codes(&panels, codes, n, d)
    let offset = (0..<count * width).map { $0 < n ? Float($0 % 3) : .infinity }
    var (index, value) = ([UInt32](repeating: 0, count: rows), [Float](repeating: .infinity, count: rows))
    tsr_nearest_code(&index, &value, x, panels, offset, rows, d, count, 100)
    for row in 0..<rows {
      // Small whole numbers: every sum is exact, whatever its order.
      let distances = (0..<n).map { code in
        (0..<d).reduce(offset[code]) {
          let difference = x[row * d + $1] - codes[code * d + $1]
          return $0 + difference * difference
        }
      }
      #expect(value[row] == distances.min())
      #expect(Int(index[row]) - 100 == distances.firstIndex(of: distances.min()!))
    }
    // A second part with nothing nearer changes nothing.
    let before = index
    tsr_nearest_code(&index, &value, x, panels, offset, rows, d, count, 200)
    #expect(index == before)
  }
}
