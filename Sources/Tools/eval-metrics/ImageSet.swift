import Datasets
import ForeignFiles
import ImageModels
import Images
import StreamFormat
import TensorCore
import ToolRuntime

/// A source of numbered images.
protocol ImageProvider {
  var count: Int { get }
  /// What an image is called in messages.
  func title(_ item: Int) -> String
  /// Each image's path in its folder, without its ending; nil where images have no names.
  var names: [String]? { get }
  /// Images that were listed: those that are here and those that were skipped.
  var listedCount: Int { get }
  /// The place of each image among those that were listed.
  var listedPlaces: [Int] { get }
  func load(_ items: [Int], on device: Device) throws -> [RGBImage]
  /// Loads one image, on any thread; nil where images cannot be loaded beside the work on others.
  var loader: (@Sendable (_ item: Int) -> Result<RGBImage, ImageError>)? { get }
  /// Checks what can only be checked at the end of the input; called after the last image that is wanted.
  func finish() throws
}

extension ImageProvider {
  func finish() throws {}
}

extension ImageProvider {
  var names: [String]? { nil }
  var listedCount: Int { count }
  var listedPlaces: [Int] { Array(0..<count) }
  var loader: (@Sendable (_ item: Int) -> Result<RGBImage, ImageError>)? { nil }
}

/// The images of one role, all of one size.
final class ImageSet {
  let name: String
  /// Which of the provider's images belong to the set, in order.
  let items: [Int]
  private let provider: any ImageProvider
  private let crop: CropRule?
  private let device: Device
  private var expected: (width: Int, height: Int, title: String)?

  init(name: String, _ provider: any ImageProvider, items: [Int]? = nil, crop: CropRule?, on device: Device) {
    (self.name, self.provider, self.crop, self.device) = (name, provider, crop, device)
    self.items = items ?? Array(0..<provider.count)
  }

  var count: Int { items.count }

  /// Name of each image; nil where they have none.
  var names: [String]? { provider.names.map { all in items.map { all[$0] } } }

  /// Width and height, known once an image was read.
  var size: (width: Int, height: Int)? { expected.map { ($0.width, $0.height) } }

  /// The images at some places of the set, cropped if that is wanted.
  /// - Throws: `ImageError`, and `ToolError` for an image of another size than the first one read.
  func images(_ places: some Sequence<Int>) throws -> [RGBImage] {
    let chosen = places.map { items[$0] }
    return try alike(chosen, provider.load(chosen, on: device))
  }

  /// Calls `work` with the images of the set, batch by batch. The files of the next batch are read meanwhile.
  /// - Throws: As ``images(_:)``, and what `work` throws.
  func forEachBatch(of size: Int, _ work: ([RGBImage]) throws -> Void) throws {
    let batches = stride(from: 0, to: count, by: size).map { $0..<min(count, $0 + size) }
    guard let load = provider.loader else {
      for places in batches { try work(images(places)) }
      return
    }
    let items = items
    try ReadAhead(readers: device.threads.count).forEach(batches, read: { load(items[$0]) }) {
      try work(alike(Array(items[$0]), $1.map { try $0.get() }))
    }
  }

  /// Images that were loaded, cropped if that is wanted, and checked to be of one size.
  private func alike(_ chosen: [Int], _ images: [RGBImage]) throws -> [RGBImage] {
    try zip(chosen, images).map { item, image in
      let image = try crop?.apply(to: image, title: provider.title(item)) ?? image
      let first = expected ?? (image.width, image.height, provider.title(item))
      expected = first
      guard image.width == first.width, image.height == first.height else {
        throw ToolError(
          .badData, provider.title(item),
          expected: "\(first.width)x\(first.height) pixels, as \(first.title) has",
          found: "\(image.width)x\(image.height)",
          try: "--size, to crop all of them alike")
      }
      return image
    }
  }

  /// Some images of the set as a set of their own.
  func part(_ places: Range<Int>) -> ImageSet {
    ImageSet(name: name, provider, items: Array(items[places]), crop: crop, on: device)
  }

  /// Checks what can only be checked at the end of the input; called after the last image that is wanted.
  func finish() throws { try provider.finish() }
}

/// Cuts all images alike, as `tokenize` does.
struct CropRule {
  /// Side in pixels.
  let size: Int
  /// Whether images that are smaller are enlarged, where without it they are an error.
  let allowsUpscale: Bool

  func apply(to image: RGBImage, title: String) throws(ImageError) -> RGBImage {
    if image.width == size && image.height == size { return image }
    return try ViewPlan.center.views(of: image, name: title, size: size, allowUpscale: allowsUpscale)[0]
  }
}

/// Images of a folder or an archive.
struct FolderImages: ImageProvider {
  let listing: ImageListing
  /// The folder or archive, as it was named.
  let folder: String
  /// How its files become pictures.
  let decoding: DecodingOptions

  var count: Int { listing.entries.count }
  func title(_ item: Int) -> String { listing.entries[item].name }

  var names: [String]? {
    // An archive's images are named "ARCHIVE: PATH", and a folder's "FOLDER/PATH". A table may name others.
    let start = Array((folder.hasSuffix("/") ? folder : folder + "/").utf8)
    return listing.entries.map { entry in
      let bytes =
        entry.source.path.map { $0.bytes.dropFirst($0.bytes.starts(with: start) ? start.count : 0) }
        ?? Array(entry.name.utf8).dropFirst(folder.utf8.count + 2)
      let end = bytes.lastIndex(of: UInt8(ascii: ".")) ?? bytes.endIndex
      return "\(FilePath(bytes[..<end]))"
    }
  }

  func load(_ items: [Int], on device: Device) throws -> [RGBImage] {
    try device.mapConcurrently(items.count) { decoded(items[$0]) }.map { try $0.get() }
  }

  var loader: (@Sendable (_ item: Int) -> Result<RGBImage, ImageError>)? { decoded }

  @Sendable private func decoded(_ item: Int) -> Result<RGBImage, ImageError> {
    Result { () throws(ImageError) in
      try ImageDecoder.decode(listing.entries[item].source, options: decoding)
    }
  }

  /// The first file that holds a JPEG, whatever its name.
  func firstJPEG() throws -> String? {
    try listing.entries.first { try $0.source.isJPEG() }?.name
  }
}

/// Images of an ADM archive: `arr_0`, uint8 [n, H, W, 3].
struct ArchiveImages: ImageProvider {
  let name: String
  let items: NumPyItems

  var count: Int { items.count }
  func title(_ item: Int) -> String { "\(name): image \(item)" }

  func load(_ places: [Int], on device: Device) throws -> [RGBImage] {
    let shape = items.header.shape
    // In ascending order, so that the archive is read once however the places are mixed.
    var pixels: [Int: [UInt8]] = [:]
    for place in Set(places).sorted() { pixels[place] = try items.item(place) }
    return places.map { RGBImage(width: shape[2], height: shape[1], pixels: pixels[$0] ?? []) }
  }

  func finish() throws { try items.finish() }
}

/// Images decoded from tokens: the centre view of each.
struct TokenImages: ImageProvider {
  let name: String
  let batch: TokenBatch
  let tokenizer: Tokenizer

  var count: Int { batch.count }
  var listedCount: Int { batch.wholeListedCount }
  var listedPlaces: [Int] { batch.wholeListedPlaces }
  func title(_ item: Int) -> String { "\(name): image \(item)" }

  func load(_ items: [Int], on device: Device) throws -> [RGBImage] {
    let tokens = items.flatMap { batch.tokens(image: $0).map(Int.init) }
    return device.images(
      try tokenizer.images(of: tokens, rows: batch.header.rows, columns: batch.header.columns))
  }
}
