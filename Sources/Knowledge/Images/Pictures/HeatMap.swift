/// Weights on the cells of a grid, to be drawn over a picture.
public struct HeatMap: Sendable, Equatable {
  /// Rows of cells.
  public let rows: Int
  /// Columns of cells.
  public let columns: Int
  /// A weight a cell, row after row, none negative.
  public let weights: [Float]
  /// The cell that is framed.
  public let marked: Int

  /// A map; `marked` is a cell's place among the weights.
  public init(rows: Int, columns: Int, weights: [Float], marked: Int) {
    precondition(
      rows > 0 && columns > 0 && weights.count == rows * columns && weights.indices.contains(marked),
      "HeatMap: \(weights.count) weights for \(rows) x \(columns), cell \(marked)")
    (self.rows, self.columns, self.weights, self.marked) = (rows, columns, weights, marked)
  }

  /// The picture, darkened, with the cells in yellow: the largest weight the brightest, no weight not at all. The marked
  /// cell has a red frame.
  public func drawn(over image: RGBImage) -> RGBImage {
    precondition(image.width >= columns && image.height >= rows, "HeatMap: a picture smaller than the grid")
    let largest = weights.max() ?? 0
    var pixels = [UInt8]()
    pixels.reserveCapacity(image.pixels.count)
    for y in 0..<image.height {
      for x in 0..<image.width {
        let cell = y * rows / image.height * columns + x * columns / image.width
        let strength = largest > 0 ? 0.8 * weights[cell] / largest : 0
        let framed = cell == marked && isAtEdge(x, y, image)
        let first = (y * image.width + x) * 3
        for channel in 0..<3 {
          let mixed =
            0.5 * (1 - strength) * Float(image.pixels[first + channel]) + strength * Self.yellow[channel]
          pixels.append(framed ? Self.red[channel] : UInt8(mixed.rounded()))
        }
      }
    }
    return RGBImage(width: image.width, height: image.height, pixels: pixels)
  }

  private static let yellow: [Float] = [255, 230, 0]
  private static let red: [UInt8] = [230, 0, 0]

  /// Whether a pixel is less than an eighth of a cell, but at least one pixel, from the border of its cell.
  private func isAtEdge(_ x: Int, _ y: Int, _ image: RGBImage) -> Bool {
    func near(_ place: Int, _ cells: Int, _ size: Int) -> Bool {
      let width = max(1, size / cells / 8)
      return [place - width, place + width].contains {
        $0 < 0 || $0 >= size || $0 * cells / size != place * cells / size
      }
    }
    return near(x, columns, image.width) || near(y, rows, image.height)
  }
}
