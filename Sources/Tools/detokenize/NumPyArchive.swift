import Images
import StreamFormat

/// The `.npz` layout of ADM's evaluation: `arr_0`, uint8 [n, H, W, 3], and `arr_1`, int64 labels [n]. A zip
/// archive of stored (not compressed) `.npy` files.
enum NumPyArchive {
  static func write(_ images: [LabelledImage], to sink: ByteSink) throws {
    let (height, width) = (images[0].image.height, images[0].image.width)
    var pixels = header("|u1", [images.count, height, width, 3])
    for item in images { pixels += item.image.pixels }
    var labels = header("<i8", [images.count])
    for item in images { labels += bytes(UInt64(item.label)) }
    try archive([("arr_0.npy", pixels), ("arr_1.npy", labels)]).withUnsafeBytes { try sink.write($0) }
  }

  /// Magic, version 1.0, and the dictionary padded so that the data starts at a multiple of 64.
  private static func header(_ type: String, _ shape: [Int]) -> [UInt8] {
    let sizes = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var text = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(sizes)), }"
    text += String(repeating: " ", count: 63 - (10 + text.utf8.count) % 64) + "\n"
    return [0x93] + Array("NUMPY".utf8) + [1, 0] + bytes(UInt16(text.utf8.count)) + Array(text.utf8)
  }

  private static func archive(_ files: [(name: String, data: [UInt8])]) -> [UInt8] {
    var (output, directory): ([UInt8], [UInt8]) = ([], [])
    for (name, data) in files {
      let offset = UInt32(output.count)
      let size = UInt32(data.count)
      // Version 2.0, no flags, stored, no time (1 January 1980), checksum, sizes, name length, no extra.
      let common =
        bytes(UInt16(20)) + bytes(UInt16(0)) + bytes(UInt16(0)) + bytes(UInt16(0)) + bytes(UInt16(33))
        + bytes(checksum(data)) + bytes(size) + bytes(size) + bytes(UInt16(name.utf8.count))
        + bytes(UInt16(0))
      output += bytes(UInt32(0x0403_4B50)) + common + Array(name.utf8) + data
      directory += bytes(UInt32(0x0201_4B50)) + bytes(UInt16(20)) + common
      directory += [UInt8](repeating: 0, count: 10) + bytes(offset) + Array(name.utf8)
    }
    let (start, length) = (UInt32(output.count), UInt32(directory.count))
    output += directory + bytes(UInt32(0x0605_4B50)) + bytes(UInt32(0))
    output += bytes(UInt16(files.count)) + bytes(UInt16(files.count)) + bytes(length) + bytes(start)
    return output + bytes(UInt16(0))
  }

  private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  /// CRC-32 as zip uses it.
  private static func checksum(_ data: [UInt8]) -> UInt32 {
    let table: [UInt32] = (0..<256).map { byte in
      var value = UInt32(byte)
      for _ in 0..<8 { value = value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
      return value
    }
    var sum = ~UInt32(0)
    for byte in data { sum = table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] ^ (sum >> 8) }
    return ~sum
  }
}
