import CKernels
import TensorCore

/// Finds, for each vector, the code at the smallest squared distance (plus the code's price, where there
/// are prices); the first of equals wins. The codes are packed once, for any number of searches.
///
/// Distances are sums of squared differences, fused with the search for the smallest: for the short
/// vectors of image tokenizers that is faster than a matrix product followed by a search, and it does
/// not cancel.
public struct NearestCode {
  /// Number of codes.
  public let count: Int
  /// Components of each.
  public let dimension: Int
  private let device: Device
  private let panels: [Float]
  private var prices: [Float]

  private static let panelWidth = Int(TSR_CODE_PANEL)
  /// Rows that pass over one part of a large codebook before the next part is fetched.
  private static let rowBlock = 256
  /// Elements of such a part: it stays in the second-level cache.
  private static let partElements = 1 << 16

  /// - Parameters:
  ///   - prices: a number added to the squared distance of each code; none means 0.
  ///   - device: whose threads the searches run on.
  public init(_ codes: CodeVectors, prices: [Float]? = nil, on device: Device) {
    precondition(prices == nil || prices?.count == codes.count, "NearestCode: a price for every code")
    self = codes.elements.withUnsafeBufferPointer {
      NearestCode(
        $0, count: codes.count, dimension: codes.dimension,
        prices: prices ?? [Float](repeating: 0, count: codes.count), on: device)
    }
  }

  /// Codes from the rows of a tensor [..., d].
  public init(_ codes: Tensor, on device: Device) {
    self.init(
      UnsafeBufferPointer(codes.buffer), count: codes.rowCount, dimension: codes.lastDimension,
      prices: [Float](repeating: 0, count: codes.rowCount), on: device)
  }

  private init(
    _ codes: UnsafeBufferPointer<Float>, count: Int, dimension: Int, prices: [Float], on device: Device
  ) {
    precondition(count > 0, "NearestCode: no codes")
    (self.count, self.dimension, self.device) = (count, dimension, device)
    let width = Self.panelWidth
    let panelCount = (count + width - 1) / width
    panels = [Float](unsafeUninitializedCapacity: panelCount * width * dimension) { buffer, filled in
      tsr_pack_codes(buffer.baseAddress, codes.baseAddress, count, dimension)
      filled = buffer.count
    }
    self.prices = prices + [Float](repeating: .infinity, count: panelCount * width - count)
  }

  /// Takes a code out of later searches.
  mutating func exclude(_ code: Int) { prices[code] = .infinity }

  /// The nearest code of each vector, and its squared distance plus price.
  public func find(_ vectors: CodeVectors) -> (codes: [UInt32], distances: [Float]) {
    vectors.elements.withUnsafeBufferPointer { find($0, dimension: vectors.dimension) }
  }

  /// The nearest code of each row of a tensor [..., d].
  public func indices(of vectors: Tensor) -> [Int] {
    find(UnsafeBufferPointer(vectors.buffer), dimension: vectors.lastDimension).codes.map(Int.init)
  }

  private func find(_ vectors: UnsafeBufferPointer<Float>, dimension: Int)
    -> (codes: [UInt32], distances: [Float])
  {
    precondition(
      dimension == self.dimension, "NearestCode: vectors of \(dimension), codes of \(self.dimension)")
    let rows = vectors.count / dimension
    var codes = [UInt32](repeating: 0, count: rows)
    var distances = [Float](repeating: 0, count: rows)
    codes.withUnsafeMutableBufferPointer { codes in
      distances.withUnsafeMutableBufferPointer { distances in
        guard let x = vectors.baseAddress, let codes = codes.baseAddress,
          let distances = distances.baseAddress
        else { return }
        find(x, count: rows, codes: codes, distances: distances)
      }
    }
    return (codes, distances)
  }

  /// The same on memory of the caller's: `vectors` [count, dimension], `codes` [count] and `distances`
  /// [count], which are overwritten.
  public func find(
    _ vectors: UnsafePointer<Float>, count: Int, codes: UnsafeMutablePointer<UInt32>,
    distances: UnsafeMutablePointer<Float>
  ) {
    device.forRanges(count, grain: Self.rowBlock) { range in
      for first in stride(from: range.lowerBound, to: range.upperBound, by: Self.rowBlock) {
        search(
          vectors + first * dimension, rows: min(Self.rowBlock, range.upperBound - first),
          codes: codes + first,
          distances: distances + first)
      }
    }
  }

  /// The same on the calling thread, for a few rows.
  func search(
    _ vectors: UnsafePointer<Float>, rows: Int, codes: UnsafeMutablePointer<UInt32>,
    distances: UnsafeMutablePointer<Float>
  ) {
    codes.update(repeating: 0, count: rows)
    distances.update(repeating: .infinity, count: rows)
    let panelCount = prices.count / Self.panelWidth
    let panelSize = Self.panelWidth * dimension
    let part = max(1, Self.partElements / panelSize)
    panels.withUnsafeBufferPointer { panels in
      prices.withUnsafeBufferPointer { prices in
        guard let panels = panels.baseAddress, let prices = prices.baseAddress else { return }
        for panel in stride(from: 0, to: panelCount, by: part) {
          tsr_nearest_code(
            codes, distances, vectors, panels + panel * panelSize, prices + panel * Self.panelWidth, rows,
            dimension, min(part, panelCount - panel), UInt32(panel * Self.panelWidth))
        }
      }
    }
  }
}
