import Images
import StreamFormat
import Synchronization
import TensorCore

/// How image files become what a tokenizer sees.
public struct ImageReading: Sendable, Equatable, Codable {
  /// Side of a view, in pixels.
  public var size: Int
  /// How an image becomes views.
  public var views: ViewPlan
  /// Whether images that are smaller than a view are enlarged, where without it they are an error.
  public var allowUpscale: Bool
  /// Orientation, transparency and 16-bit grey.
  public var decoding: DecodingOptions

  /// A way to read images.
  public init(
    size: Int, views: ViewPlan, allowUpscale: Bool = false, decoding: DecodingOptions = DecodingOptions()
  ) {
    (self.size, self.views, self.allowUpscale, self.decoding) = (size, views, allowUpscale, decoding)
  }
}

/// The images that a tokenizer is trained on or that are tokenised: decoded, cut into views and kept while a
/// budget of memory lasts.
public final class ImageDataset {
  /// The files and their classes.
  public let listing: ImageListing
  /// How they are read.
  public let reading: ImageReading
  private let budget: Int
  private var cache: [Int: [RGBImage]] = [:]
  private var cachedBytes = 0

  /// - Parameter budget: bytes of decoded views to keep.
  public init(_ listing: ImageListing, _ reading: ImageReading, budget: Int = 1 << 30) {
    (self.listing, self.reading, self.budget) = (listing, reading, budget)
  }

  /// Side of a view, in pixels.
  public var size: Int { reading.size }
  /// How an image becomes views.
  public var plan: ViewPlan { reading.views }

  /// Views of items, decoded on all threads; an unreadable image gives an error in its place.
  public func views(of items: [Int], on device: Device) -> [Result<[RGBImage], ImageError>] {
    let missing = items.filter { cache[$0] == nil }
    let decoded = Mutex<[Int: Result<[RGBImage], ImageError>]>([:])
    device.forRanges(missing.count) { range in
      for index in range {
        let result = listing.views(of: missing[index], reading)
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

  /// Calls `work` with the views of each batch of items, in order, while the images of the next batch are read and decoded on
  /// threads of their own. The views are those of ``views(of:on:)``; none of them is kept.
  /// - Parameters:
  ///   - readers: the threads that read. As many as the device of the work has is the right number, for which ``ReadAhead``
  ///     has the reasons.
  ///   - work: what is to be done with a batch, on this thread.
  /// - Throws: What `work` throws.
  public func forEachBatch(
    _ batches: [Range<Int>], readers: Int,
    work: (_ items: Range<Int>, _ views: [Result<[RGBImage], ImageError>]) throws -> Void
  ) throws {
    // The cache belongs to this thread; what the readers need does not change.
    let (listing, reading) = (listing, reading)
    try ReadAhead(readers: readers).forEach(
      batches, read: { listing.views(of: $0, reading) }, work: work)
  }

  /// A batch [B, size, size, 3] from -1 to 1.
  /// - Throws: `ImageError` of the first image that cannot be read.
  public func batch(_ places: [(item: Int, view: Int)], on device: Device) throws -> Tensor {
    let views = try zip(self.views(of: places.map(\.item), on: device), places).map { try $0.get()[$1.view] }
    return device.pixels(views)
  }
}

extension ImageListing {
  /// The views of an image, decoded on this thread.
  fileprivate func views(of item: Int, _ reading: ImageReading) -> Result<[RGBImage], ImageError> {
    let source = entries[item].source
    return Result { () throws(ImageError) in
      let image = try ImageDecoder.decode(source, options: reading.decoding)
      return try reading.views.views(
        of: image, name: source.name, item: item, size: reading.size, allowUpscale: reading.allowUpscale)
    }
  }
}

extension ImageDataset {
  /// SHA-256 over the bytes of the files of items, in their order, to tell whether a checkpoint belongs to these
  /// images. Their paths do not matter.
  /// - Throws: `StreamError` for a file that cannot be read.
  public func sha256(of items: [Int], on device: Device) throws -> String {
    let hashes = Mutex<[Int: Result<String, any Error>]>([:])
    device.forRanges(items.count) { range in
      for index in range {
        let hash = Result { try SHA256Hasher.hex(of: listing.entries[items[index]].source.contents()) }
        hashes.withLock { $0[index] = hash }
      }
    }
    let found = hashes.withLock { $0 }
    // The place in the listing decides which images are held out.
    let lines = try items.indices.map { "\(items[$0]) \(try found[$0]!.get())\n" }
    return SHA256Hasher.hex(of: Array(lines.joined().utf8))
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
