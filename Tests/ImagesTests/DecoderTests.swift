import Foundation
@testable import Images
import Testing
import TestSupport

@Suite struct DecoderTests {
  @Test(arguments: [
    "grey", "grey-alpha", "rgb", "rgba", "palette", "bilevel", "interlaced", "rgb16", "grey16", "color-key",
    "exif-6",
  ])
  func pngEqualsPillow(name: String) throws {
    #expect(try Fixture.image(name + ".png") == Fixture.image(name + ".expected.png"))
  }

  /// Both decoders are libjpeg-turbo, but not of the same version: one step a sample is allowed.
  @Test(arguments: ["photo", "photo-444", "photo-422", "progressive", "grey", "cmyk", "ycck"])
  func jpegEqualsPillow(name: String) throws {
    let ours = try Fixture.image(name + ".jpg")
    #expect(try largestDifference(ours, Fixture.image(name + ".jpg.expected.png")) <= 1)
  }

  @Test(arguments: 1...8)
  func exifOrientationIsApplied(orientation: Int) throws {
    let ours = try Fixture.image("exif-\(orientation).jpg")
    #expect(try largestDifference(ours, Fixture.image("exif-\(orientation).jpg.expected.png")) <= 1)
  }

  @Test func orientationsAreTheSymmetriesOfTheSquare() {
    let image = randomImage(4, 4, seed: 1)
    let turned = Orientation.allCases.map(image.oriented)
    for (i, one) in turned.enumerated() {
      for other in turned[(i + 1)...] { #expect(one != other) }
    }
    let quarter = image.oriented(.quarterTurnRight)
    #expect(quarter.oriented(.quarterTurnLeft) == image)
    #expect(quarter.oriented(.quarterTurnRight) == image.oriented(.halfTurn))
    #expect(image.mirrored().oriented(.halfTurn) == image.oriented(.flipped))
    #expect(quarter.mirrored() == image.oriented(.flipped).oriented(.quarterTurnRight))
    #expect(image.oriented(.transposed).oriented(.transposed) == image)
    #expect(image.oriented(.transposed).oriented(.halfTurn) == image.oriented(.antitransposed))
  }

  @Test func transparencyShowsTheBackground() throws {
    let bytes = try Fixture.bytes("color-key.png")
    let background = RGBColor(10, 200, 30)
    let image = try ImageDecoder.decode(bytes, name: "color-key.png", background: background)
    #expect(Array(image.cropped(x: 3, y: 4, width: 1, height: 1).pixels) == [10, 200, 30])
    let white = try Fixture.image("color-key.png")
    #expect(zip(image.pixels, white.pixels).count(where: { $0 != $1 }) == 3)
  }

  @Test func formatIsToldBySignature() throws {
    let jpeg = try ImageDecoder.decode(Fixture.bytes("photo.jpg"), name: "misnamed.png")
    #expect(jpeg.width == 37 && jpeg.height == 29)
  }

  @Test func filesAreRead() throws {
    let path = Fixture.folder.appending(path: "rgb.png").path
    #expect(try ImageDecoder.decode(contentsOf: path) == Fixture.image("rgb.png"))
    #expect(throws: ImageError.notFound(file: path + ".not", expected: "an image file")) {
      try ImageDecoder.decode(contentsOf: path + ".not")
    }
    #expect(throws: ImageError.unsuitable(file: "/tmp", found: "a folder")) {
      try ImageDecoder.decode(contentsOf: "/tmp")
    }
  }
}

@Suite struct HugeFileTests {
  @Test func sparseFilesAreNotRead() throws {
    try withTemporaryFolder { folder in
      let file = folder.appending(path: "sparse.png")
      #expect(FileManager.default.createFile(atPath: file.path, contents: nil))
      let handle = try FileHandle(forWritingTo: file)
      try handle.truncate(atOffset: 1 << 40)
      try handle.close()
      #expect(throws: ImageError.unsuitable(file: file.path, found: "more than 1 GiB")) {
        try ImageDecoder.decode(contentsOf: file.path)
      }
    }
  }
}

@Suite struct PNGEncoderTests {
  @Test(arguments: [(1, 1), (7, 3), (640, 2), (3, 500)])
  func whatIsWrittenIsRead(width: Int, height: Int) throws {
    let image = randomImage(width, height, seed: UInt64(width))
    let bytes = try PNGEncoder.encode(image)
    #expect(try ImageDecoder.decode(bytes, name: "round trip") == image)
    #expect(try PNGEncoder.encode(image) == bytes)
  }

  @Test func flatImagesAreSmall() throws {
    let image = RGBImage(width: 256, height: 256, filledWith: .white)
    #expect(try PNGEncoder.encode(image).count < 1500)
  }
}
