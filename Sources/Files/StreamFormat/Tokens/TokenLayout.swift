/// The order of an image's tokens.
public enum TokenLayout: Equatable, Sendable {
  /// One grid, row by row from the top left.
  case raster
  /// Several square grids, one after the other, each row by row: the sides, ascending (VAR).
  case scales([Int])

  /// Its name in files.
  public var name: String {
    switch self {
    case .raster: "raster"
    case .scales: "scales"
    }
  }

  /// Tokens of an image whose grid, or largest grid, is given.
  func tokenCount(rows: Int, columns: Int) -> Int {
    switch self {
    case .raster: rows * columns
    case .scales(let sides): sides.reduce(0) { $0 + $1 * $1 }
    }
  }

  /// Whether it goes with a grid.
  func fits(rows: Int, columns: Int) -> Bool {
    guard case .scales(let sides) = self else { return true }
    guard let first = sides.first, first >= 1, sides.count <= 64, sides.last == rows, rows == columns else {
      return false
    }
    return zip(sides, sides.dropFirst()).allSatisfy { $0 < $1 }
  }
}

extension TokenLayout: CustomStringConvertible {
  /// As messages have it.
  public var description: String {
    switch self {
    case .raster: "one grid in raster order"
    case .scales(let sides): "scales " + sides.map(String.init).joined(separator: ",")
    }
  }
}

// MARK: - Metadata

extension TokenLayout {
  /// The layout that a record's metadata names, for the grid that it names.
  init(_ record: Record, rows: Int, columns: Int) throws {
    switch record.metadata["layout"] ?? "raster" {
    case "raster": self = .raster
    case "scales":
      self = .scales(try record.jsonMetadata("scales"))
      guard fits(rows: rows, columns: columns) else {
        throw record.badMetadata(
          "scales", expected: "at most 64 ascending sides, the last one that of the grid \(rows)x\(columns)")
      }
      guard tokenCount(rows: rows, columns: columns) <= TokenHeader.maximumTokens else {
        throw record.badMetadata("scales", expected: "at most \(TokenHeader.maximumTokens) tokens in all")
      }
    default: throw record.badMetadata("layout", expected: "raster or scales")
    }
  }

  var metadata: [String: String] {
    switch self {
    case .raster: ["layout": name]
    case .scales(let sides):
      ["layout": name, "scales": "[" + sides.map(String.init).joined(separator: ",") + "]"]
    }
  }
}
