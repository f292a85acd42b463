import CImageCodecs
import Glibc

/// What becomes of the three things in a file that 8-bit RGB has no place for.
public struct DecodingOptions: Sendable, Equatable, Codable {
  /// What shows through transparent pixels; nil drops the alpha channel and keeps the colours under it.
  public var background: RGBColor?
  /// Whether the picture is turned as its metadata asks.
  public var appliesOrientation: Bool
  /// Whether 16-bit grey samples are cut at 255, so that almost every such picture is white, and not scaled.
  public var clipsGrey16: Bool

  /// Composited, turned and scaled unless said otherwise.
  public init(background: RGBColor? = .white, appliesOrientation: Bool = true, clipsGrey16: Bool = false) {
    (self.background, self.appliesOrientation) = (background, appliesOrientation)
    self.clipsGrey16 = clipsGrey16
  }

  /// As LlamaGen's loader, which is Pillow's `Image.open(file).convert("RGB")`.
  public static let llamaGen = DecodingOptions(background: nil, appliesOrientation: false, clipsGrey16: true)
}

/// PNG and JPEG files to 8-bit RGB, as the `convert("RGB")` of Pillow 12.3.0 sees them, with these differences:
/// transparency is composited instead of dropped, orientation is applied, 16-bit grey is scaled instead of clipped (all
/// three by ``DecodingOptions``), and damage that Pillow papers over is an error.
///
/// * Grey becomes three equal channels; palettes and 1, 2 and 4 bit samples are expanded.
/// * 16-bit samples keep their high byte. (Pillow does so for colour but clips grey at 255, which turns almost every
///   16-bit grey picture white; here grey is treated like colour.)
/// * Alpha is composited: `round((color * alpha + background * (255 - alpha)) / 255)`, exact for alpha 0 and 255.
/// * CMYK and YCCK JPEGs are read by Adobe's convention (255 is no ink), as Pillow does.
/// * Colour profiles and gamma are ignored.
public enum ImageDecoder {
  /// The longest side accepted, in pixels; JPEG's own limit.
  public static let maximumSide = 65500
  /// The most pixels accepted in one image.
  public static let maximumPixels = 1 << 28

  /// The image in `bytes`, whose format is told by its first bytes. `name` is used in errors.
  ///
  /// Throws `ImageError.unknownFormat`, `.malformed` (truncation included), `.tooLarge` or `.outOfMemory`.
  public static func decode(
    _ bytes: [UInt8], name: String, background: RGBColor = .white
  ) throws(ImageError) -> RGBImage {
    try decode(bytes, name: name, options: DecodingOptions(background: background))
  }

  /// The image in `bytes`, as the options ask.
  ///
  /// Throws as `decode(_:name:background:)`.
  public static func decode(
    _ bytes: [UInt8], name: String, options: DecodingOptions
  ) throws(ImageError) -> RGBImage {
    switch Format(signatureOf: bytes) {
    case .png:
      var decoded = CodecImage()
      defer { codec_image_free(&decoded) }
      let status = codec_decode_png(
        bytes, bytes.count, UInt32(maximumSide), UInt64(maximumPixels), options.clipsGrey16, &decoded)
      try check(status, decoded, name: name, format: "PNG")
      let tag = OrientationTag(bytes: bytes)
      let orientation =
        options.appliesOrientation
        ? tag.inPNG(exifProfile: text(decoded.exif_profile), xmpPacket: text(decoded.xmp_packet)) : .upright
      return (decoded.channels == 3 ? rgb(decoded) : opaque(decoded, over: options.background))
        .oriented(orientation)
    case .jpeg:
      var decoded = CodecImage()
      defer { codec_image_free(&decoded) }
      let status = codec_decode_jpeg(
        bytes, bytes.count, UInt32(maximumSide), UInt64(maximumPixels), &decoded)
      try check(status, decoded, name: name, format: "JPEG")
      let orientation = options.appliesOrientation ? OrientationTag(bytes: bytes).inJPEG() : .upright
      return (decoded.channels == 3 ? rgb(decoded) : separated(decoded)).oriented(orientation)
    case nil:
      throw .unknownFormat(file: name, found: describeStart(of: bytes))
    }
  }

  /// The image in a file. Throws what `decode(_:name:background:)` throws, `.notFound`, `.inaccessible`, `.unsuitable`
  /// and `.unreadable`.
  public static func decode(
    contentsOf path: FilePath, options: DecodingOptions = DecodingOptions()
  ) throws(ImageError) -> RGBImage {
    try decode(try readFile(path), name: "\(path)", options: options)
  }

  /// The image in a file that a text names.
  public static func decode(
    contentsOf path: String, background: RGBColor = .white
  ) throws(ImageError) -> RGBImage {
    try decode(contentsOf: FilePath(path), options: DecodingOptions(background: background))
  }

  /// Whether a file begins as a JPEG does, whatever its name. Throws as `decode(contentsOf:options:)`.
  public static func startsAsJPEG(_ path: FilePath) throws(ImageError) -> Bool {
    isJPEG(try readFile(path, limit: 16))
  }

  /// Whether the first bytes are a JPEG's.
  static func isJPEG(_ start: [UInt8]) -> Bool { Format(signatureOf: start) == .jpeg }

  private enum Format {
    case png, jpeg

    init?(signatureOf bytes: [UInt8]) {
      if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
        self = .png
      } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
        self = .jpeg
      } else {
        return nil
      }
    }
  }

  private static func describeStart(of bytes: [UInt8]) -> String {
    if bytes.isEmpty { return "an empty file" }
    let start = bytes.prefix(8).map { byte in
      let digits = String(byte, radix: 16)
      return digits.count == 1 ? "0" + digits : digits
    }
    return "a file that starts with bytes \(start.joined(separator: " "))"
  }

  private static func check(
    _ status: CodecStatus, _ image: CodecImage, name: String, format: String
  ) throws(ImageError) {
    switch status {
    case CODEC_OK: return
    case CODEC_TOO_LARGE:
      throw .tooLarge(file: name, width: Int(image.width), height: Int(image.height))
    case CODEC_NO_MEMORY: throw .outOfMemory(file: name)
    default:
      let reason = withUnsafeBytes(of: image.message) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      throw .malformed(file: name, format: format, reason: reason)
    }
  }
}

extension ImageDecoder {
  private static func text(_ characters: UnsafePointer<CChar>?) -> [UInt8]? {
    characters.map { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
  }

  private static func rgb(_ image: CodecImage) -> RGBImage {
    let samples = UnsafeBufferPointer(start: image.pixels, count: Int(image.width) * Int(image.height) * 3)
    return RGBImage(width: Int(image.width), height: Int(image.height), pixels: [UInt8](samples))
  }

  /// RGBA over an opaque background, or its colours alone.
  private static func opaque(_ image: CodecImage, over background: RGBColor?) -> RGBImage {
    guard let background else {
      return mapped(image) { source, target in
        for channel in 0..<3 { target[channel] = source[channel] }
      }
    }
    let below = [UInt32(background.red), UInt32(background.green), UInt32(background.blue)]
    return mapped(image) { source, target in
      let alpha = UInt32(source[3])
      for channel in 0..<3 {
        target[channel] = divided255(UInt32(source[channel]) * alpha + below[channel] * (255 - alpha))
      }
    }
  }

  /// Inverted CMYK to RGB: each ink's light times black's.
  private static func separated(_ image: CodecImage) -> RGBImage {
    mapped(image) { source, target in
      let light = UInt32(source[3])
      for channel in 0..<3 {
        // Pillow's order of rounding: the light kept is what the ink takes away, subtracted.
        let taken = divided255((255 - UInt32(source[channel])) * light)
        target[channel] = UInt8(light) - taken
      }
    }
  }

  private static func mapped(
    _ image: CodecImage,
    _ convert: (UnsafePointer<UInt8>, UnsafeMutablePointer<UInt8>) -> Void
  ) -> RGBImage {
    let count = Int(image.width) * Int(image.height)
    let samples = [UInt8](unsafeUninitializedCapacity: count * 3) { target, initialized in
      for i in 0..<count { convert(image.pixels + 4 * i, target.baseAddress! + 3 * i) }
      initialized = count * 3
    }
    return RGBImage(width: Int(image.width), height: Int(image.height), pixels: samples)
  }

  /// `round(value / 255)` for values up to 255 * 255.
  @inline(__always)
  private static func divided255(_ value: UInt32) -> UInt8 {
    let biased = value + 128
    return UInt8((biased + biased >> 8) >> 8)
  }
}
