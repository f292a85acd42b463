/// Which views of an image become training examples, in a fixed order with fixed names, so that the number of a view
/// means the same in every file. A plan of random crops carries its seed.
public enum ViewPlan: Sendable, Equatable, Codable {
  /// The centre crop.
  case center
  /// The centre crop and its mirror image.
  case flip
  /// A centre crop of `Int(size * ratio)` pixels, of which the four corners and the centre, then their mirror
  /// images. LlamaGen uses 1.1 and 1.05.
  case tenCrop(ratio: Double)
  /// Random resized crops, mirrored or not.
  case randomCrops(RandomCrops)

  /// Ten crops out of a square a tenth larger.
  public static let tenCrop = ViewPlan.tenCrop(ratio: 1.1)

  /// The views' names, in order.
  public var names: [String] {
    switch self {
    case .center: ["center"]
    case .flip: Self.withMirrored(["center"])
    case .tenCrop:
      Self.withMirrored(["top-left", "top-right", "bottom-left", "bottom-right", "center"])
    case .randomCrops(let crops): (1...crops.count).map { "random-crop-\($0)" }
    }
  }

  /// The number of the centre crop among the views; the first view where there is none, as among random crops.
  public var centerView: Int { names.firstIndex(of: "center") ?? 0 }

  /// The side of the square that an image must fill, in pixels.
  public func neededSide(size: Int) -> Int {
    switch self {
    case .center, .flip, .randomCrops: return size
    case .tenCrop(let ratio):
      precondition(ratio >= 1, "ten crops need a square at least as large as a crop")
      return Int(Double(size) * ratio)
    }
  }

  /// The views, each `size` x `size`, in the order of `names`.
  ///
  /// Throws `ImageError.tooSmall` for an image whose shorter side is below `neededSide(size:)`, unless
  /// `allowUpscale`. `name` is used in the error; `item`, the image's number, is what random crops are drawn by.
  public func views(
    of image: RGBImage, name: String, item: Int = 0, size: Int, allowUpscale: Bool = false
  ) throws(ImageError) -> [RGBImage] {
    let needed = neededSide(size: size)
    if !allowUpscale && min(image.width, image.height) < needed {
      throw .tooSmall(file: name, width: image.width, height: image.height, needed: needed)
    }
    if case .randomCrops(let crops) = self { return crops.views(of: image, item: item, size: size) }
    let square = image.centerCropped(to: needed)
    switch self {
    case .center, .randomCrops: return [square]
    case .flip: return [square, square.mirrored()]
    case .tenCrop:
      let crops = Self.fiveCrops(of: square, size: size)
      // The mirrored half is cropped from the mirrored square, so its "top-left" shows the top right.
      return crops + Self.fiveCrops(of: square.mirrored(), size: size)
    }
  }

  private static func withMirrored(_ names: [String]) -> [String] {
    names + names.map { $0 + "-mirrored" }
  }

  private static func fiveCrops(of square: RGBImage, size: Int) -> [RGBImage] {
    let end = square.width - size
    let middle = Int((Double(end) / 2).rounded(.toNearestOrEven))
    let corners = [(0, 0), (end, 0), (0, end), (end, end), (middle, middle)]
    return corners.map { square.cropped(x: $0, y: $1, width: size, height: size) }
  }
}
