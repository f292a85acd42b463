import CKernels
import TensorCore

/// Finds, for each vector, the code at the smallest squared distance (plus the code's price, where there
/// are prices); the first of equals wins. The codes are packed once, for any number of searches.
///
/// Distances are sums of squared differences, fused with the search for the smallest: for the short
/// vectors of image tokenizers that is faster than a matrix product followed by a search, and it does
/// not cancel.
public struct NearestCode: Sendable {
  /// Number of codes.
  public let count: Int
  /// Components of each.
  public let dimension: Int
  private let panels: [Float]
  private var prices: [Float]

  private static let panelWidth = Int(TSR_CODE_PANEL)
  /// Rows that pass over one part of a large codebook before the next part is fetched.
  private static let rowBlock = 256
  /// Elements of such a part: it stays in the second-level cache.
  private static let partElements = 1 << 16

  /// - Parameter prices: a number added to the squared distance of each code; none means 0.
  public init(_ codes: CodeVectors, prices: [Float]? = nil) {
    precondition(codes.count > 0, "NearestCode: no codes")
    precondition(prices == nil || prices?.count == codes.count, "NearestCode: a price for every code")
    (count, dimension) = (codes.count, codes.dimension)
    let width = Self.panelWidth
    let panelCount = (codes.count + width - 1) / width
    panels = [Float](unsafeUninitializedCapacity: panelCount * width * codes.dimension) { buffer, filled in
      tsr_pack_codes(buffer.baseAddress, codes.elements, codes.count, codes.dimension)
      filled = buffer.count
    }
    self.prices = prices ?? [Float](repeating: 0, count: codes.count)
    self.prices += [Float](repeating: .infinity, count: panelCount * width - codes.count)
  }

  /// Takes a code out of later searches.
  mutating func bar(_ code: Int) { prices[code] = .infinity }

  /// The nearest code of each vector, and its squared distance plus price.
  public func find(_ vectors: CodeVectors, on device: Device) -> (codes: [UInt32], distances: [Float]) {
    var codes = [UInt32](repeating: 0, count: vectors.count)
    var distances = [Float](repeating: 0, count: vectors.count)
    vectors.elements.withUnsafeBufferPointer { x in
      codes.withUnsafeMutableBufferPointer { codes in
        distances.withUnsafeMutableBufferPointer { distances in
          guard let x = x.baseAddress, let codes = codes.baseAddress, let distances = distances.baseAddress
          else { return }
          precondition(vectors.dimension == dimension, "NearestCode: dimension \(vectors.dimension)")
          find(x, count: vectors.count, codes: codes, distances: distances, on: device)
        }
      }
    }
    return (codes, distances)
  }

  /// The same on memory of the caller's: `vectors` [count, dimension], `codes` [count] and `distances`
  /// [count], which are overwritten.
  public func find(
    _ vectors: UnsafePointer<Float>, count: Int, codes: UnsafeMutablePointer<UInt32>,
    distances: UnsafeMutablePointer<Float>, on device: Device
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
