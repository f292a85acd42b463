@testable import Images
import Testing

/// Orientation in all places that say it, and decoding as LlamaGen's loader does.
@Suite struct DecodingOptionsTests {
  private func text(_ bytes: String) -> [UInt8] { Array(bytes.utf8) }

  private func segment(_ content: [UInt8]) -> [UInt8] {
    [0xFF, 0xE1, UInt8((content.count + 2) >> 8), UInt8((content.count + 2) & 255)] + content
  }

  private func jpeg(_ segments: [UInt8]...) -> Orientation {
    OrientationTag(bytes: [0xFF, 0xD8] + segments.flatMap { $0 } + [0xFF, 0xD9]).inJPEG()
  }

  private func packet(_ body: String) -> [UInt8] {
    segment(text("http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + body + "</x:xmpmeta>"))
  }

  /// One entry of type 3 (16 bits) or 4 (32 bits).
  private func exif(bigEndian: Bool, type: Int, _ value: Int) -> [UInt8] {
    func number(_ value: Int, _ bytes: Int) -> [UInt8] {
      let little = (0..<bytes).map { UInt8(value >> (8 * $0) & 255) }
      return bigEndian ? little.reversed() : little
    }
    let directory = number(1, 2) + number(0x0112, 2) + number(type, 2) + number(1, 4)
    let stored = type == 4 ? number(value, 4) : number(value, 2) + [0, 0]
    let tiff =
      text(bigEndian ? "MM" : "II") + number(42, 2) + number(8, 4) + directory + stored + number(0, 4)
    return segment(text("Exif\0\0") + tiff)
  }

  @Test(arguments: [true, false], [3, 4]) func exifHasTwoOrdersAndTwoWidths(bigEndian: Bool, type: Int) {
    #expect(jpeg(exif(bigEndian: bigEndian, type: type, 6)) == .quarterTurnRight)
  }

  @Test func theXMPPacketCountsWhereEXIFIsSilent() {
    #expect(jpeg(packet(#"<rdf:Description tiff:Orientation="3"/>"#)) == .halfTurn)
    #expect(jpeg(packet("<tiff:Orientation>8</tiff:Orientation>")) == .quarterTurnLeft)
    #expect(jpeg(packet("<tiff:Orientation>9</tiff:Orientation>")) == .upright)
    #expect(jpeg(packet("<tiff:Orientation")) == .upright)
    let both = packet(#"<rdf:Description tiff:Orientation="3"/>"#)
    #expect(jpeg(both, exif(bigEndian: false, type: 3, 6)) == .quarterTurnRight)
  }

  /// A 2 x 1 picture of two colours with more chunks before or after its pixels, as libpng reads it.
  private func png(before: [[UInt8]] = [], after: [[UInt8]] = []) throws -> RGBImage {
    var bytes = try PNGEncoder.encode(RGBImage(width: 2, height: 1, pixels: [9, 9, 9, 200, 200, 200]))
    bytes.insert(contentsOf: after.flatMap { $0 }, at: bytes.count - 12)
    bytes.insert(contentsOf: before.flatMap { $0 }, at: 33)
    return try ImageDecoder.decode(bytes, name: "made here")
  }

  private func chunk(_ kind: String, _ content: [UInt8]) -> [UInt8] {
    func bigEndian(_ value: UInt32) -> [UInt8] {
      [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
    }
    let body = text(kind) + content
    // CRC-32, bit by bit.
    var sum = UInt32.max
    for byte in body {
      sum ^= UInt32(byte)
      for _ in 0..<8 {
        let half: UInt32 = sum >> 1
        sum = sum & 1 == 1 ? half ^ 0xEDB8_8320 : half
      }
    }
    sum = ~sum
    return bigEndian(UInt32(content.count)) + body + bigEndian(sum)
  }

  /// A zlib stream of one stored block.
  private func stored(_ content: [UInt8]) -> [UInt8] {
    let (low, high) = (UInt8(content.count & 255), UInt8(content.count >> 8))
    var (a, b) = (1, 0)
    for byte in content { (a, b) = ((a + Int(byte)) % 65521, (a + Int(byte) + b) % 65521) }
    let sum = [b >> 8, b & 255, a >> 8, a & 255].map { UInt8($0) }
    return [0x78, 0x01, 1, low, high, ~low, ~high] + content + sum
  }

  /// As ImageMagick and exiftool write it.
  private func rawProfile(_ name: String, _ content: [UInt8]) -> [UInt8] {
    var digits = content.flatMap { [$0 >> 4, $0 & 15] }.map { text(String($0, radix: 16))[0] }
    for line in stride(from: 72, to: digits.count, by: 73) { digits.insert(0x0A, at: line) }
    return text("\n\(name)\n      \(content.count)\n") + digits + [0x0A]
  }

  /// A quarter turn makes the row a column.
  private func isTurned(_ image: RGBImage) -> Bool {
    image.width == 1 && image.height == 2 && image.pixels[0] == 9
  }

  @Test func theRawProfileOfAPNGCounts() throws {
    let tiff = Array(exif(bigEndian: false, type: 3, 6).dropFirst(10))
    let marked = text("Exif\0\0") + tiff
    let plain = chunk("tEXt", text("Raw profile type exif\0") + rawProfile("exif", marked))
    let packed = chunk("zTXt", text("Raw profile type APP1\0\0") + stored(rawProfile("APP1", marked)))
    let bare = chunk("tEXt", text("Raw profile type exif\0") + rawProfile("exif", tiff))
    for part in [plain, packed, bare] {
      #expect(try isTurned(png(before: [part])))
      #expect(try isTurned(png(after: [part])))
    }
    // The chunk that the PNG standard has for it goes before.
    let upright = chunk("eXIf", Array(exif(bigEndian: true, type: 3, 1).dropFirst(10)))
    #expect(try png(before: [plain, upright]).width == 2)
    for damaged in ["", "\n", "\nexif\n9\n", "\nexif\n9\n4d4d00", "\nexif\n9\nzz"] {
      let part = chunk("tEXt", text("Raw profile type exif\0" + damaged))
      #expect(try png(before: [part]).width == 2)
    }
  }

  @Test func theXMPPacketOfAPNGCounts() throws {
    let body = text("<x tiff:Orientation='6'/>")
    let plain = chunk("iTXt", text("XML:com.adobe.xmp\0\0\0\0\0") + body)
    let packed = chunk("iTXt", text("XML:com.adobe.xmp\0\u{1}\0\0\0") + stored(body))
    #expect(try isTurned(png(before: [plain])) && isTurned(png(after: [packed])))
  }

  @Test func llamaGenLeavesPicturesAsStored() throws {
    let turned = try Fixture.bytes("exif-6.png")
    let stored = try ImageDecoder.decode(turned, name: "exif-6.png", options: .llamaGen)
    let shown = try ImageDecoder.decode(turned, name: "exif-6.png")
    #expect(stored != shown && stored.oriented(.quarterTurnRight) == shown)
  }

  @Test func llamaGenDropsAlpha() throws {
    let bytes = try Fixture.bytes("rgba.png")
    let dropped = try ImageDecoder.decode(bytes, name: "rgba.png", options: .llamaGen)
    let (white, black) = (
      try ImageDecoder.decode(bytes, name: "rgba.png"),
      try ImageDecoder.decode(bytes, name: "rgba.png", background: .black)
    )
    #expect(dropped != white && dropped != black)
    // Where both backgrounds show the same, nothing shows through.
    for (index, value) in dropped.pixels.enumerated() where white.pixels[index] == black.pixels[index] {
      #expect(value == white.pixels[index])
    }
  }

  @Test func llamaGenClipsGreyOf16Bits() throws {
    let bytes = try Fixture.bytes("grey16.png")
    let clipped = try ImageDecoder.decode(bytes, name: "grey16.png", options: .llamaGen)
    let scaled = try ImageDecoder.decode(bytes, name: "grey16.png")
    #expect(clipped.width == scaled.width && clipped.height == scaled.height)
    for (cut, high) in zip(clipped.pixels, scaled.pixels) { #expect(high == 0 || cut == 255) }
    #expect(clipped != scaled)
    let colour = try Fixture.bytes("rgb16.png")
    #expect(
      try ImageDecoder.decode(colour, name: "rgb16.png", options: .llamaGen)
        == ImageDecoder.decode(colour, name: "rgb16.png"))
  }
}
