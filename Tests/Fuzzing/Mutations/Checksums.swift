/// The CRC-32 of zip and PNG.
func crc32(_ bytes: some Sequence<UInt8>) -> UInt32 {
  ~bytes.reduce(~0) { crc, byte in
    (0..<8).reduce(crc ^ UInt32(byte)) { value, _ in value >> 1 ^ (value & 1 == 1 ? 0xEDB8_8320 : 0) }
  }
}

/// The checksum of zlib streams.
func adler32(_ bytes: [UInt8]) -> UInt32 {
  var (a, b) = (1 as UInt32, 0 as UInt32)
  for byte in bytes {
    a = (a + UInt32(byte)) % 65_521
    b = (b + a) % 65_521
  }
  return b << 16 | a
}

/// Pieces of a file, one after the other.
func joined(_ pieces: [UInt8]...) -> [UInt8] { Array(pieces.joined()) }

func bigEndian(_ number: UInt32) -> [UInt8] { littleEndian(Int(number), width: 4).reversed() }
