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

  @Test func theXMPPacketOfAPNGCounts() {
    let body = text("XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation='6'/>")
    let length = [0, 0, UInt8(body.count >> 8), UInt8(body.count & 255)]
    let file = [UInt8](repeating: 0, count: 8) + length + text("iTXt") + body + [0, 0, 0, 0]
    #expect(OrientationTag(bytes: file).inPNG() == .quarterTurnRight)
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
