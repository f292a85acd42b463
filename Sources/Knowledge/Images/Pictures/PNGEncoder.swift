import CImageCodecs

/// RGB images to PNG files.
public enum PNGEncoder {
  /// The bytes of an 8-bit RGB PNG without metadata; the same image always gives the same bytes with the same zlib.
  ///
  /// Throws `ImageError.outOfMemory`, or `.malformed` when libpng refuses.
  public static func encode(_ image: RGBImage) throws(ImageError) -> [UInt8] {
    var buffer = CodecBuffer()
    defer { codec_buffer_free(&buffer) }
    let status = codec_encode_png(image.pixels, UInt32(image.width), UInt32(image.height), &buffer)
    guard status == CODEC_OK else {
      if status == CODEC_NO_MEMORY { throw .outOfMemory(file: "PNG output") }
      let reason = withUnsafeBytes(of: buffer.message) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      throw .malformed(file: "PNG output", format: "PNG", reason: reason)
    }
    return [UInt8](UnsafeBufferPointer(start: buffer.bytes, count: buffer.count))
  }
}
