/// The skippable zstd frame that closes a stream: how many records and items came before it.
struct EndMark: Equatable {
  var records: UInt64
  var items: UInt64

  /// Magic number of skippable frames, with the last nibble that Tessera uses.
  static let magic: UInt32 = 0x184D_2A5E
  static let tag = Array("TESSERAEND".utf8)
  static let version: UInt16 = 1
  /// Bytes after the magic number and the length: tag, version, two counts.
  static let contentCount = 28

  /// Any of the sixteen magic numbers that zstd leaves to applications.
  static func isSkippable(_ magic: UInt32) -> Bool {
    magic & 0xFFFF_FFF0 == 0x184D_2A50
  }

  /// The whole frame, 36 bytes.
  var bytes: [UInt8] {
    littleEndian(Self.magic) + littleEndian(UInt32(Self.contentCount)) + Self.tag
      + littleEndian(Self.version) + littleEndian(records) + littleEndian(items)
  }
}

/// The bytes of an integer, lowest first.
func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

/// The integer at the start of little-endian bytes.
func integer<Integer: FixedWidthInteger>(_ bytes: ArraySlice<UInt8>, as: Integer.Type) -> Integer {
  bytes.withUnsafeBytes { Integer(littleEndian: $0.loadUnaligned(as: Integer.self)) }
}
