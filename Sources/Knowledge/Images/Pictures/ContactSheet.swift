/// Lays out images of one size in a grid.
public struct ContactSheet: Sendable {
  /// Pixels between images and around the grid.
  public var padding: Int
  /// Colour between the images and in empty places.
  public var background: RGBColor
  /// Factor by which each image is enlarged.
  public var enlargement: Int

  /// How a sheet looks.
  public init(padding: Int = 2, background: RGBColor = .white, enlargement: Int = 1) {
    precondition(padding >= 0 && enlargement >= 1)
    self.padding = padding
    self.background = background
    self.enlargement = enlargement
  }

  /// Width and height of a sheet of images of one size.
  ///
  /// Throws `ImageError.tooLarge` for a sheet that this suite would refuse to read.
  public func size(
    rows: Int, columns: Int, imageWidth: Int, imageHeight: Int
  ) throws(ImageError) -> (width: Int, height: Int) {
    let (width, height) = (imageWidth * enlargement, imageHeight * enlargement)
    let size = (width: columns * (width + padding) + padding, height: rows * (height + padding) + padding)
    guard max(size.width, size.height) <= ImageDecoder.maximumSide,
      size.width * size.height <= ImageDecoder.maximumPixels
    else {
      throw .tooLarge(file: "the sheet", width: size.width, height: size.height)
    }
    return size
  }

  /// Row after row of images of one size, a class or a kind a row; shorter rows end in background.
  ///
  /// Throws as `size(rows:columns:imageWidth:imageHeight:)`.
  public func compose(rows: [[RGBImage]]) throws(ImageError) -> RGBImage {
    guard let sample = rows.lazy.joined().first(where: { _ in true }) else {
      preconditionFailure("a sheet has at least one image")
    }
    let (width, height) = (sample.width * enlargement, sample.height * enlargement)
    let size = try size(
      rows: rows.count, columns: rows.map(\.count).max() ?? 0, imageWidth: sample.width,
      imageHeight: sample.height)
    var sheet = RGBImage(width: size.width, height: size.height, filledWith: background)
    for (row, images) in rows.enumerated() {
      for (column, image) in images.enumerated() {
        precondition(image.width == sample.width && image.height == sample.height, "images of one size")
        sheet.paste(
          image.enlarged(by: enlargement), x: padding + column * (width + padding),
          y: padding + row * (height + padding))
      }
    }
    return sheet
  }

  /// Images in reading order, `columns` a row.
  public func compose(_ images: [RGBImage], columns: Int) throws(ImageError) -> RGBImage {
    try compose(rows: Self.broken(images, columns: columns))
  }

  /// Several lists of equally many images, row by row below each other: originals above reconstructions, and what was given
  /// above what was made of it.
  ///
  /// Throws as `size(rows:columns:imageWidth:imageHeight:)`.
  public func compose(stacked lists: [[RGBImage]], columns: Int) throws(ImageError) -> RGBImage {
    precondition(Set(lists.map(\.count)).count == 1, "as many images in each list")
    let broken = lists.map { Self.broken($0, columns: columns) }
    return try compose(rows: broken[0].indices.flatMap { row in broken.map { $0[row] } })
  }

  private static func broken(_ images: [RGBImage], columns: Int) -> [[RGBImage]] {
    precondition(columns > 0, "a row has at least one image")
    return stride(from: 0, to: images.count, by: columns).map {
      Array(images[$0..<min($0 + columns, images.count)])
    }
  }
}
