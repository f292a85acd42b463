import ImageModels
import ForeignFiles
import Images
import StreamFormat
import TensorCore
import ToolRuntime

/// A source of numbered images.
protocol ImageProvider {
  var count: Int { get }
  /// What an image is called in messages.
  func title(_ item: Int) -> String
  func load(_ items: [Int], on device: Device) throws -> [RGBImage]
  /// Checks what can only be checked at the end of the input; called after the last image that is wanted.
  func finish() throws
}

extension ImageProvider {
  func finish() throws {}
}

/// The images of one role, all of one size.
final class ImageSet {
  let name: String
  /// Which of the provider's images belong to the set, in order.
  let items: [Int]
  private let provider: any ImageProvider
  private let cropSize: Int?
  private let device: Device
  private var expected: (width: Int, height: Int, title: String)?

  init(name: String, _ provider: any ImageProvider, items: [Int]? = nil, cropSize: Int?, on device: Device) {
    (self.name, self.provider, self.cropSize, self.device) = (name, provider, cropSize, device)
    self.items = items ?? Array(0..<provider.count)
  }

  var count: Int { items.count }

  /// Width and height, known once an image was read.
  var size: (width: Int, height: Int)? { expected.map { ($0.width, $0.height) } }

  /// The images at some places of the set, cropped if that is wanted.
  /// - Throws: `ImageError`, and `ToolError` for an image of another size than the first one read.
  func images(_ places: some Sequence<Int>) throws -> [RGBImage] {
    let chosen = places.map { items[$0] }
    return try zip(chosen, provider.load(chosen, on: device)).map { item, image in
      let image = cropSize.map { cropped(image, to: $0) } ?? image
      let first = expected ?? (image.width, image.height, provider.title(item))
      expected = first
      guard image.width == first.width, image.height == first.height else {
        throw ToolError(
          .badData,
          "\(provider.title(item)): expected \(first.width)x\(first.height) pixels, as \(first.title) has; found "
            + "\(image.width)x\(image.height); try: --size, to crop all of them alike")
      }
      return image
    }
  }

  /// Checks what can only be checked at the end of the input; called after the last image that is wanted.
  func finish() throws { try provider.finish() }

  private func cropped(_ image: RGBImage, to size: Int) -> RGBImage {
    image.width == size && image.height == size ? image : image.centerCropped(to: size)
  }
}

/// Images of a folder.
struct FolderImages: ImageProvider {
  let listing: ImageListing

  var count: Int { listing.entries.count }
  func title(_ item: Int) -> String { listing.entries[item].path }

  func load(_ items: [Int], on device: Device) throws -> [RGBImage] {
    let paths = items.map { listing.entries[$0].path }
    return try device.mapConcurrently(paths.count) { index in
      Result { () throws(ImageError) in try ImageDecoder.decode(contentsOf: paths[index]) }
    }.map { try $0.get() }
  }

  /// The first file that holds a JPEG, whatever its name.
  func firstJPEG() throws -> String? {
    try listing.entries.first { entry in
      let source = try FileSource(path: entry.path)
      var start = [UInt8](repeating: 0, count: 3)
      let count = try start.withUnsafeMutableBytes { try source.read(into: $0) }
      return count == 3 && start == [0xFF, 0xD8, 0xFF]
    }?.path
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

/// Images decoded from tokens.
struct TokenImages: ImageProvider {
  let name: String
  let batch: TokenBatch
  let view: Int
  let tokenizer: Tokenizer

  var count: Int { batch.count }
  func title(_ item: Int) -> String { "\(name): image \(item)" }

  func load(_ items: [Int], on device: Device) -> [RGBImage] {
    let tokens = items.flatMap { batch.tokens(image: $0, view: view).map(Int.init) }
    return device.images(tokenizer.images(of: tokens, rows: batch.header.rows, columns: batch.header.columns))
  }
}
