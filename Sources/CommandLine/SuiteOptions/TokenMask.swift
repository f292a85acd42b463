import ArgumentParser
import StreamFormat
import ToolRuntime

/// A part of the token grid: rectangles `ROWS,COLUMNS`, each side as `FIRST:END` without the end, or `:` for all, joined by
/// `+`. `FIRST:` is all from there on, `:END` all before.
public struct TokenMask: FormedArgument, Sendable {
  public static let form =
    "ROWS,COLUMNS, each FIRST:END without the end, or ':' for all, such as 8:16,: or 0:2,:+14:16,:"

  private struct Side {
    var first: Int
    /// Nil for the end of the grid.
    var end: Int?

    init?(_ text: Substring) {
      let ends = text.split(separator: ":", omittingEmptySubsequences: false)
      guard ends.count == 2 else { return nil }
      let (first, end) = (ends[0].isEmpty ? 0 : Int(ends[0]), ends[1].isEmpty ? nil : Int(ends[1]))
      guard let first, first >= 0, ends[1].isEmpty || end.map({ $0 > first }) == true else { return nil }
      (self.first, self.end) = (first, end)
    }

    func contains(_ place: Int) -> Bool { place >= first && end.map { place < $0 } ?? true }

    func fits(_ count: Int) -> Bool { first < count && (end ?? count) <= count }
  }

  public let text: String
  private let rectangles: [(rows: Side, columns: Side)]

  public init?(argument: String) {
    var found: [(rows: Side, columns: Side)] = []
    for part in argument.split(separator: "+", omittingEmptySubsequences: false) {
      let sides = part.split(separator: ",", omittingEmptySubsequences: false)
      guard sides.count == 2, let rows = Side(sides[0]), let columns = Side(sides[1]) else { return nil }
      found.append((rows, columns))
    }
    (text, rectangles) = (argument, found)
  }

  /// Whether each place of a grid, in raster order, is in a mask; without one, in the lower half.
  /// - Throws: `ToolError` (usage) for a rectangle that is not in the grid.
  public static func cells(_ mask: TokenMask?, rows: Int, columns: Int) throws -> [Bool] {
    guard let mask else { return (0..<rows * columns).map { $0 / columns >= rows / 2 } }
    return try mask.cells(rows: rows, columns: columns)
  }

  private func cells(rows: Int, columns: Int) throws -> [Bool] {
    guard rectangles.allSatisfy({ $0.rows.fits(rows) && $0.columns.fits(columns) }) else {
      throw ToolError(
        .usage, "--mask \(visible(shortened(text, to: 80)))",
        expected: "rows up to \(rows) and columns up to \(columns), the token grid",
        found: "others",
        try: "--mask \(rows / 2):\(rows),: for the lower half")
    }
    return (0..<rows * columns).map { place in
      rectangles.contains { $0.rows.contains(place / columns) && $0.columns.contains(place % columns) }
    }
  }
}
