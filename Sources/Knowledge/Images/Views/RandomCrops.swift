import Glibc
import TensorCore

/// Random resized crops, as torchvision's `RandomResizedCrop` and `RandomHorizontalFlip` draw them: a rectangle of a
/// random share of the area and a random shape, scaled (bicubically, like all views here) to a square, and mirrored or
/// not. Each crop is a function of the seed, the image's number and the view's.
public struct RandomCrops: Sendable, Equatable, Codable {
  /// Crops of an image.
  public var count: Int
  /// Seed of the crops.
  public var seed: UInt64
  /// Shares of the image's area that a crop may have.
  public var scale: ClosedRange<Double>
  /// Width to height that a crop may have.
  public var ratio: ClosedRange<Double>
  /// How probable it is that a crop is mirrored.
  public var mirrorRate: Double

  /// The crops of an image, with torchvision's usual ranges unless others are given.
  public init(
    count: Int, seed: UInt64, scale: ClosedRange<Double> = 0.08...1,
    ratio: ClosedRange<Double> = 3 / 4...4 / 3,
    mirrorRate: Double = 0.5
  ) {
    precondition(
      count > 0 && scale.lowerBound > 0 && scale.upperBound <= 1 && ratio.lowerBound > 0
        && (0...1).contains(mirrorRate), "RandomCrops: \(count) crops of \(scale), \(ratio)")
    (self.count, self.seed, self.scale, self.ratio) = (count, seed, scale, ratio)
    self.mirrorRate = mirrorRate
  }

  /// A rectangle inside an image.
  struct Box: Equatable {
    var x, y, width, height: Int
  }

  /// The rectangle of a view, and whether it is mirrored.
  func draw(width: Int, height: Int, item: Int, view: Int) -> (box: Box, isMirrored: Bool) {
    var random = CounterRandom(
      seed: seed, purpose: .randomCrop, index: UInt64(item) << 16 | UInt64(view))
    // The mirror is drawn first, so that it does not depend on the number of attempts for the rectangle.
    let isMirrored = random.uniform() < mirrorRate
    for _ in 0..<10 {
      let area = Double(width * height) * (scale.lowerBound + random.uniform() * scale.length)
      let logarithms = log(ratio.lowerBound)...log(ratio.upperBound)
      let shape = exp(logarithms.lowerBound + random.uniform() * logarithms.length)
      let (w, h) = (Self.rounded((area * shape).squareRoot()), Self.rounded((area / shape).squareRoot()))
      guard (1...width).contains(w), (1...height).contains(h) else { continue }
      let y = random.integer(below: height - h + 1)
      return (Box(x: random.integer(below: width - w + 1), y: y, width: w, height: h), isMirrored)
    }
    return (largestCentralBox(width: width, height: height), isMirrored)
  }

  /// The rectangle if ten draws did not fit: in the middle, with the nearest allowed shape.
  private func largestCentralBox(width: Int, height: Int) -> Box {
    let shape = Double(width) / Double(height)
    let w = shape > ratio.upperBound ? max(1, Self.rounded(Double(height) * ratio.upperBound)) : width
    let h = shape < ratio.lowerBound ? max(1, Self.rounded(Double(width) / ratio.lowerBound)) : height
    return Box(x: (width - w) / 2, y: (height - h) / 2, width: w, height: h)
  }

  /// The views of an image, each `size` x `size`.
  func views(of image: RGBImage, item: Int, size: Int) -> [RGBImage] {
    (0..<count).map { view in
      let (box, isMirrored) = draw(width: image.width, height: image.height, item: item, view: view)
      let crop = image.cropped(x: box.x, y: box.y, width: box.width, height: box.height)
        .resized(width: size, height: size, filter: .bicubic)
      return isMirrored ? crop.mirrored() : crop
    }
  }

  /// Python's `round`: halves go to the even neighbour.
  private static func rounded(_ length: Double) -> Int { Int(length.rounded(.toNearestOrEven)) }
}

extension ClosedRange<Double> {
  fileprivate var length: Double { upperBound - lowerBound }
}
