/// An 8-bit RGB image: rows from top to bottom, pixels from left to right, channels interleaved (HWC).
public struct RGBImage: Sendable, Equatable {
  /// Pixels in a row.
  public let width: Int
  public let height: Int
  /// `height * width * 3` samples, R G B.
  public private(set) var pixels: [UInt8]

  /// An image over samples in HWC order; there must be exactly `width * height * 3` of them.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0, "an image has at least one pixel")
    precondition(pixels.count == width * height * 3, "an RGB image has width * height * 3 samples")
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// An image of one colour.
  public init(width: Int, height: Int, filledWith color: RGBColor) {
    precondition(width > 0 && height > 0, "an image has at least one pixel")
    self.width = width
    self.height = height
    pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { samples, count in
      for i in 0..<width * height {
        samples.initializeElement(at: 3 * i, to: color.red)
        samples.initializeElement(at: 3 * i + 1, to: color.green)
        samples.initializeElement(at: 3 * i + 2, to: color.blue)
      }
      count = width * height * 3
    }
  }

  /// The rectangle of the given size whose top left pixel is (x, y); it must lie inside the image.
  public func cropped(x: Int, y: Int, width: Int, height: Int) -> RGBImage {
    precondition(x >= 0 && y >= 0 && width <= self.width - x && height <= self.height - y)
    var samples = [UInt8]()
    samples.reserveCapacity(width * height * 3)
    for row in y..<y + height {
      let start = (row * self.width + x) * 3
      samples += pixels[start..<start + width * 3]
    }
    return RGBImage(width: width, height: height, pixels: samples)
  }

  /// Left and right exchanged.
  public func mirrored() -> RGBImage {
    oriented(.mirrored)
  }

  /// Each pixel repeated `factor` times in both directions.
  public func enlarged(by factor: Int) -> RGBImage {
    precondition(factor >= 1)
    if factor == 1 { return self }
    var samples = [UInt8]()
    samples.reserveCapacity(pixels.count * factor * factor)
    for y in 0..<height {
      var row = [UInt8]()
      row.reserveCapacity(width * 3 * factor)
      for pixel in stride(from: y * width * 3, to: (y + 1) * width * 3, by: 3) {
        for _ in 0..<factor { row += pixels[pixel..<pixel + 3] }
      }
      for _ in 0..<factor { samples += row }
    }
    return RGBImage(width: width * factor, height: height * factor, pixels: samples)
  }

  /// Overwrites the rectangle whose top left pixel is (x, y) with `image`, which must fit.
  public mutating func paste(_ image: RGBImage, x: Int, y: Int) {
    precondition(x >= 0 && y >= 0 && image.width <= width - x && image.height <= height - y)
    for row in 0..<image.height {
      let target = ((y + row) * width + x) * 3
      let source = row * image.width * 3
      pixels.replaceSubrange(
        target..<target + image.width * 3, with: image.pixels[source..<source + image.width * 3])
    }
  }
}

/// An 8-bit colour.
public struct RGBColor: Sendable, Equatable, Codable {
  /// Red, 0 to 255.
  public var red: UInt8
  /// Green, 0 to 255.
  public var green: UInt8
  /// Blue, 0 to 255.
  public var blue: UInt8

  /// A colour from its three samples.
  public init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
    self.red = red
    self.green = green
    self.blue = blue
  }

  /// (255, 255, 255)
  public static let white = RGBColor(255, 255, 255)
  /// (0, 0, 0)
  public static let black = RGBColor(0, 0, 0)
}
