import ImageModels
import Images

/// Collects the maps that are drawn, and lays them out: image after image, and in each layer after layer,
/// head after head, a row with the image and one map per position.
struct Sheet {
  private let rows: Int
  private let columns: Int
  /// Places of the queries in raster order.
  private let queries: [Int]
  private let heads: [[Int]]
  /// Images that are drawn.
  private let drawn: Int
  private var maps: [[[HeatMap]]]

  init(rows: Int, columns: Int, positions: [GridPosition], heads: [[Int]], drawn: Int) {
    (self.rows, self.columns, self.heads, self.drawn) = (rows, columns, heads, drawn)
    queries = positions.map { $0.row * columns + $0.column }
    maps = Array(repeating: [], count: drawn)
  }

  /// Adds the attention of one layer for the images from number `first` on.
  mutating func add(_ attention: AttentionProbabilities, first: Int) {
    for image in first..<max(first, min(drawn, first + attention.imageCount)) {
      for group in heads {
        maps[image].append(
          queries.map { query in
            HeatMap(
              rows: rows, columns: columns,
              weights: attention.tokenWeights(image: image - first, heads: group, token: query), marked: query
            )
          })
      }
    }
  }

  /// The sheet over decoded images, each enlarged.
  func picture(over images: [RGBImage], enlargement: Int) throws -> RGBImage {
    if let image = images.first, let row = maps.first?.first {
      // Before the images are enlarged: a sheet that is too large may fill the machine.
      let count = zip(images, maps).reduce(0) { $0 + $1.1.count }
      _ = try ContactSheet().size(
        rows: count, columns: 1 + row.count, imageWidth: image.width * enlargement,
        imageHeight: image.height * enlargement)
    }
    let rows = zip(images, maps).flatMap { image, rows in
      let large = image.enlarged(by: enlargement)
      return rows.map { row in [large] + row.map { $0.drawn(over: large) } }
    }
    return try ContactSheet().compose(rows: rows)
  }
}
