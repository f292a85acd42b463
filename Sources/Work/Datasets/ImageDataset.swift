import Images
import Synchronization
import TensorCore

/// The images that a tokenizer is trained on or that are tokenised: decoded, cut into views and kept while a
/// budget of memory lasts.
public final class ImageDataset {
  /// The files and their classes.
  public let listing: ImageListing
  /// Side of a view, in pixels.
  public let size: Int
  /// How an image becomes views.
  public let plan: ViewPlan
  private let allowUpscale: Bool
  private let decoding: DecodingOptions
  private let budget: Int
  private var cache: [Int: [RGBImage]] = [:]
  private var cachedBytes = 0

  /// - Parameter budget: bytes of decoded views to keep.
  public init(
    _ listing: ImageListing, size: Int, plan: ViewPlan, allowUpscale: Bool = false,
    decoding: DecodingOptions = DecodingOptions(),
    budget: Int = 1 << 30
  ) {
    (self.listing, self.size, self.plan) = (listing, size, plan)
    (self.allowUpscale, self.decoding, self.budget) = (allowUpscale, decoding, budget)
  }

  /// Views of items, decoded on all threads; an unreadable image gives an error in its place.
  public func views(of items: [Int], on device: Device) -> [Result<[RGBImage], ImageError>] {
    let missing = items.filter { cache[$0] == nil }
    let decoded = Mutex<[Int: Result<[RGBImage], ImageError>]>([:])
    device.forRanges(missing.count) { range in
      for index in range {
        let result = load(missing[index])
        decoded.withLock { $0[missing[index]] = result }
      }
    }
    let fresh = decoded.withLock { $0 }
    for item in missing {
      guard case .success(let views)? = fresh[item], cachedBytes < budget, cache[item] == nil else {
        continue
      }
      cache[item] = views
      cachedBytes += views.count * size * size * 3
    }
    return items.map { item in cache[item].map { .success($0) } ?? fresh[item]! }
  }

  private func load(_ item: Int) -> Result<[RGBImage], ImageError> {
    let path = listing.entries[item].path
    return Result { () throws(ImageError) in
      let image = try ImageDecoder.decode(contentsOf: path, options: decoding)
      return try plan.views(of: image, name: "\(path)", item: item, size: size, allowUpscale: allowUpscale)
    }
  }

  /// A batch [B, size, size, 3] from -1 to 1.
  /// - Throws: `ImageError` of the first image that cannot be read.
  public func batch(_ places: [(item: Int, view: Int)], on device: Device) throws -> Tensor {
    let views = try zip(self.views(of: places.map(\.item), on: device), places).map { try $0.get()[$1.view] }
    return device.pixels(views)
  }
}

extension Device {
  /// Images of one size as a tensor [B, H, W, 3] from -1 to 1.
  public func pixels(_ images: [RGBImage]) -> Tensor {
    let (height, width) = (images.first?.height ?? 0, images.first?.width ?? 0)
    let tensor = empty([images.count, height, width, 3])
    forRanges(images.count) { range in
      for i in range {
        let target = tensor.pointer + i * height * width * 3
        images[i].pixels.withUnsafeBufferPointer { pixels in
          for p in 0..<pixels.count { target[p] = Float(pixels[p]) * (2 / 255) - 1 }
        }
      }
    }
    return tensor
  }

  /// The images of a tensor [B, H, W, 3] from -1 to 1, rounded to 8 bits.
  public func images(_ tensor: Tensor) -> [RGBImage] {
    let (height, width) = (tensor.shape[1], tensor.shape[2])
    return (0..<tensor.shape[0]).map { i in
      let source = tensor.pointer + i * height * width * 3
      let pixels = (0..<height * width * 3).map { p in
        UInt8(max(0, min(255, ((source[p] + 1) * 127.5).rounded())))
      }
      return RGBImage(width: width, height: height, pixels: pixels)
    }
  }
}
