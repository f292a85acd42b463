@testable import Images
import Testing
import TestSupport

@Suite struct MalformedImageTests {
  static let valid = [
    "rgba.png", "palette.png", "interlaced.png", "rgb16.png", "photo.jpg", "progressive.jpg", "cmyk.jpg",
    "exif-6.jpg",
  ]

  @Test(arguments: valid)
  func everyTruncationIsAnError(name: String) throws {
    let bytes = try Fixture.bytes(name)
    for length in 0..<bytes.count {
      #expect(throws: ImageError.self, "cut to \(length) bytes") {
        try ImageDecoder.decode(Array(bytes[..<length]), name: name)
      }
    }
  }

  /// Whatever the damage, an image or an `ImageError` comes back. In a PNG every bit is under a checksum, so the
  /// image is the true one; JPEG has none.
  @Test(arguments: valid)
  func flippedBitsNeverCrash(name: String) throws {
    let bytes = try Fixture.bytes(name)
    let original = try ImageDecoder.decode(bytes, name: name)
    var generator = SeededGenerator(state: 7)
    for _ in 0..<2000 {
      var damaged = bytes
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        damaged[Int.random(in: 0..<bytes.count, using: &generator)] ^=
          1 << UInt8.random(in: 0..<8, using: &generator)
      }
      do throws(ImageError) {
        let image = try ImageDecoder.decode(damaged, name: name)
        #expect(!name.hasSuffix(".png") || image == original)
      } catch {
        #expect(error.description.hasPrefix(name))
      }
    }
  }

  @Test func replacedBytesNeverCrash() throws {
    for name in Self.valid {
      let bytes = try Fixture.bytes(name)
      var generator = SeededGenerator(state: 11)
      for _ in 0..<500 {
        var damaged = bytes
        let start = Int.random(in: 2..<bytes.count, using: &generator)
        for i in start..<min(start + 8, bytes.count) {
          damaged[i] = UInt8.random(in: 0...255, using: &generator)
        }
        do throws(ImageError) {
          _ = try ImageDecoder.decode(damaged, name: name)
        } catch {
          #expect(error.description.hasPrefix(name))
        }
      }
    }
  }

  @Test func emptyAndForeignFilesSayWhatWasFound() {
    #expect(throws: ImageError.unknownFormat(file: "a.png", found: "an empty file")) {
      try ImageDecoder.decode([], name: "a.png")
    }
    let gif = Array("GIF89a..".utf8)
    #expect(
      throws: ImageError.unknownFormat(
        file: "a.png", found: "a file that starts with bytes 47 49 46 38 39 61 2e 2e")
    ) {
      try ImageDecoder.decode(gif, name: "a.png")
    }
  }

  @Test(arguments: [(70000, 1), (1, 70000), (20000, 20000), (65500, 65500), (0x7FFF_FFFF, 0x7FFF_FFFF)])
  func absurdSizesAreRefusedBeforeAllocating(width: Int, height: Int) throws {
    let bytes = try Self.png(claimingWidth: width, height: height)
    #expect(throws: ImageError.tooLarge(file: "huge.png", width: width, height: height)) {
      try ImageDecoder.decode(bytes, name: "huge.png")
    }
  }

  @Test func sizesTheFileCannotHoldAreRefused() throws {
    let bytes = try Self.png(claimingWidth: 16384, height: 16384)
    #expect(
      throws: ImageError.malformed(
        file: "huge.png", format: "PNG", reason: "the file is too short for its dimensions")
    ) {
      try ImageDecoder.decode(bytes, name: "huge.png")
    }
  }

  @Test(arguments: [(0, 4), (4, 0), (0x8000_0000, 4)])
  func impossibleSizesAreRefused(width: Int, height: Int) throws {
    let bytes = try Self.png(claimingWidth: width, height: height)
    #expect(throws: ImageError.self) { try ImageDecoder.decode(bytes, name: "none.png") }
  }

  @Test func hugeJPEGIsRefused() throws {
    var bytes = try Fixture.bytes("photo.jpg")
    let frame = try #require(bytes.indices.first { bytes[$0...].starts(with: [0xFF, 0xC0]) })
    for i in frame + 5..<frame + 9 { bytes[i] = 0xFF }
    #expect(throws: ImageError.self) { try ImageDecoder.decode(bytes, name: "huge.jpg") }
    for i in frame + 5..<frame + 9 { bytes[i] = 0xF0 }
    #expect(throws: ImageError.tooLarge(file: "huge.jpg", width: 0xF0F0, height: 0xF0F0)) {
      try ImageDecoder.decode(bytes, name: "huge.jpg")
    }
  }

  /// A JPEG whose entropy-coded data stops early but which ends properly: libjpeg would fill it with grey.
  @Test func jpegWithMissingRowsIsAnError() throws {
    let bytes = try Fixture.bytes("photo.jpg")
    let damaged = Array(bytes[..<(bytes.count * 3 / 4)]) + [0xFF, 0xD9]
    #expect(throws: ImageError.self) { try ImageDecoder.decode(damaged, name: "short.jpg") }
  }

  /// The fixture with another size in its header, under a correct checksum.
  static func png(claimingWidth width: Int, height: Int) throws -> [UInt8] {
    var bytes = try Fixture.bytes("rgb.png")
    bytes.replaceSubrange(16..<20, with: bigEndian(width))
    bytes.replaceSubrange(20..<24, with: bigEndian(height))
    bytes.replaceSubrange(29..<33, with: bigEndian(Int(crc32(bytes[12..<29]))))
    return bytes
  }

  private static func bigEndian(_ value: Int) -> [UInt8] {
    stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  private static func crc32(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    ~bytes.reduce(~0) { crc, byte in
      (0..<8).reduce(crc ^ UInt32(byte)) { value, _ in
        value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1
      }
    }
  }
}
