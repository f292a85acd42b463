@testable import Images
import Testing
import TestSupport

@Suite struct ResamplingTests {
  static let sizes = [(53, 7), (9, 31), (26, 15), (1, 1), (101, 67), (3, 80), (90, 2)]

  @Test(arguments: sizes)
  func resizeEqualsPillow(width: Int, height: Int) throws {
    let source = try Fixture.image("resize-source.png")
    let box = source.resized(width: width, height: height, filter: .box)
    #expect(try box == Fixture.image("resize-box-\(width)x\(height).png"))
    let bicubic = source.resized(width: width, height: height, filter: .bicubic)
    #expect(try bicubic == Fixture.image("resize-bicubic-\(width)x\(height).png"))
  }

  @Test func sameSizeIsTheSameImage() {
    let image = randomImage(9, 5, seed: 3)
    #expect(image.resized(width: 9, height: 5, filter: .bicubic) == image)
  }

  @Test(arguments: [ResamplingFilter.box, .bicubic])
  func flatImagesStayFlat(filter: ResamplingFilter) {
    let color = RGBColor(3, 128, 254)
    let flat = RGBImage(width: 17, height: 40, filledWith: color)
    for (width, height) in Self.sizes {
      let resized = flat.resized(width: width, height: height, filter: filter)
      #expect(resized == RGBImage(width: width, height: height, filledWith: color))
    }
  }

  @Test(arguments: ["a", "b"])
  func centerCropEqualsTheGolden(name: String) throws {
    let (images, size) = try Fixture.tensors("center_crop_\(name).safetensors")
    let image = try #require(images["image"])
    #expect(image.centerCropped(to: size) == images["cropped"])
  }

  @Test(arguments: [3, 7, 15, 16, 31, 40])
  func centerCropEqualsPillow(size: Int) throws {
    let source = try Fixture.image("resize-source.png")
    #expect(try source.centerCropped(to: size) == Fixture.image("crop-\(size).png"))
  }

  /// Pillow 12.3.0; that of version 13 differs, since it takes the rows of such images first.
  @Test(arguments: [11, 16, 24])
  func tallImagesAreThoseOfPillow12(size: Int) throws {
    let source = try Fixture.image("tall-source.png")
    #expect(source.height > 3 * source.width)
    #expect(try source.centerCropped(to: size) == Fixture.image("tall-crop-\(size).png"))
  }

  @Test func halvesRoundToEvenAsInPython() throws {
    let source = try Fixture.image("halves-source.png")
    #expect(try source.centerCropped(to: 10) == Fixture.image("halves-crop-10.png"))
  }
}
