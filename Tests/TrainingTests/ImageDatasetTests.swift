import Datasets
import Foundation
import Images
import TensorCore
import Testing
import TestSupport

/// Images as the network sees them.
@Suite struct TrainingImagesTests {
  let device = Device(threadCount: 2)

  @Test func everyByteSurvivesThePixelRange() {
    let image = RGBImage(width: 16, height: 16, pixels: (0..<768).map { UInt8($0 % 256) })
    let tensor = device.pixels([image, image])
    #expect(tensor.shape == [2, 16, 16, 3])
    #expect(tensor.toArray().min() == -1 && tensor.toArray().max() == 1)
    #expect(device.images(tensor) == [image, image])
    // Beyond the range values are clipped, and what is not a number traps nothing.
    let odd = device.images(device.tensor([-9, 9, .nan], [1, 1, 1, 3]))
    #expect(odd[0].pixels[..<2] == [0, 255])
  }

  @Test func viewsAreTheSameWithAndWithoutTheirCache() throws {
    let tiny = try TinyTokenizer()
    let listing = ImageListing(
      classNames: ["x"], entries: (0..<8).map { .init(path: tiny.path($0), label: 0) })
    let places = [(item: 3, view: 1), (item: 0, view: 0), (item: 3, view: 0)]
    func batches(budget: Int) throws -> [[Float]] {
      let images = ImageDataset(listing, ImageReading(size: 8, views: .flip), budget: budget)
      return try (0..<2).map { _ in try images.batch(places, on: device).toArray() }
    }
    let (cached, decoded) = (try batches(budget: 1 << 20), try batches(budget: 0))
    #expect(cached == decoded && cached[0] == cached[1])
  }

  @Test func anUnreadableImageIsNamed() throws {
    let tiny = try TinyTokenizer()
    try Data("not an image".utf8).write(to: URL(fileURLWithPath: tiny.path(2)))
    let listing = ImageListing(
      classNames: ["x"], entries: (0..<3).map { .init(path: tiny.path($0), label: 0) })
    let images = ImageDataset(listing, ImageReading(size: 8, views: .center))
    let views = images.views(of: [0, 2, 1], on: device)
    #expect((try? views[0].get()) != nil && (try? views[1].get()) == nil && (try? views[2].get()) != nil)
    #expect(throws: ImageError.self) { try images.batch([(0, 0), (2, 0)], on: device) }
  }
}
