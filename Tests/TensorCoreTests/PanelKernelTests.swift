import CKernels
@testable import TensorCore
import Testing
import TestSupport

/// Patches and nearest-code search.
@Suite struct PanelKernelTests {
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
