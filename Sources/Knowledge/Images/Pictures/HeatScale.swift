/// Colours of numbers from 0 on: black at 0, over red at half of ``full``, to yellow at ``full``; all above is white.
public struct HeatScale: Sendable, Equatable {
  /// The number that is yellow; above 0.
  public let full: Double

  public init(full: Double) {
    precondition(full > 0, "HeatScale: \(full)")
    self.full = full
  }

  /// The colour of a number, which is not NaN; those below 0 are black.
  public func color(of value: Double) -> RGBColor {
    let share = max(0, value / full)
    if share > 1 { return .white }
    func sample(_ part: Double) -> UInt8 { UInt8((255 * min(1, max(0, part))).rounded()) }
    return RGBColor(sample(2 * share), sample(2 * share - 1), 0)
  }

  /// A picture of numbers on a grid, row after row.
  /// - Parameter size: rows and columns of pixels; each shows the cell that its place is in. By default a pixel per cell.
  public func picture(
    of values: some RandomAccessCollection<Double>, rows: Int, columns: Int,
    size: (rows: Int, columns: Int)? = nil
  ) -> RGBImage {
    let size = size ?? (rows, columns)
    precondition(
      values.count == rows * columns && size.rows >= rows && size.columns >= columns,
      "HeatScale: \(values.count) numbers for \(rows) x \(columns), \(size.rows) x \(size.columns) pixels")
    let cells = values.map { color(of: $0) }
    var pixels: [UInt8] = []
    pixels.reserveCapacity(3 * size.rows * size.columns)
    for y in 0..<size.rows {
      for x in 0..<size.columns {
        let cell = cells[y * rows / size.rows * columns + x * columns / size.columns]
        pixels += [cell.red, cell.green, cell.blue]
      }
    }
    return RGBImage(width: size.columns, height: size.rows, pixels: pixels)
  }
}
