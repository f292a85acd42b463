/// The eight ways EXIF's Orientation tag (0x0112) can ask a viewer to turn the stored picture.
public enum Orientation: Int, Sendable, CaseIterable {
  /// As stored.
  case upright = 1
  /// Left and right exchanged.
  case mirrored = 2
  /// Half a turn.
  case halfTurn = 3
  /// Top and bottom exchanged.
  case flipped = 4
  /// Rows and columns exchanged.
  case transposed = 5
  /// A quarter turn clockwise.
  case quarterTurnRight = 6
  /// Rows and columns exchanged about the other diagonal.
  case antitransposed = 7
  /// A quarter turn counterclockwise.
  case quarterTurnLeft = 8

  fileprivate var swapsAxes: Bool { rawValue >= 5 }

  /// Stored column and row of the pixel shown at (x, y); `width` and `height` are the stored ones.
  fileprivate func source(x: Int, y: Int, width: Int, height: Int) -> (x: Int, y: Int) {
    switch self {
    case .upright: (x, y)
    case .mirrored: (width - 1 - x, y)
    case .halfTurn: (width - 1 - x, height - 1 - y)
    case .flipped: (x, height - 1 - y)
    case .transposed: (y, x)
    case .quarterTurnRight: (y, height - 1 - x)
    case .antitransposed: (width - 1 - y, height - 1 - x)
    case .quarterTurnLeft: (width - 1 - y, x)
    }
  }
}

extension RGBImage {
  /// The picture as the orientation asks for it to be shown.
  public func oriented(_ orientation: Orientation) -> RGBImage {
    if orientation == .upright { return self }
    let (newWidth, newHeight) = orientation.swapsAxes ? (height, width) : (width, height)
    let samples = [UInt8](unsafeUninitializedCapacity: pixels.count) { target, count in
      var position = 0
      for y in 0..<newHeight {
        for x in 0..<newWidth {
          let from = orientation.source(x: x, y: y, width: width, height: height)
          let pixel = (from.y * width + from.x) * 3
          for channel in 0..<3 {
            target.initializeElement(at: position + channel, to: pixels[pixel + channel])
          }
          position += 3
        }
      }
      count = position
    }
    return RGBImage(width: newWidth, height: newHeight, pixels: samples)
  }
}

/// Finds EXIF's Orientation in the bytes of a JPEG or PNG file, or where EXIF does not say, XMP's. Metadata that is
/// damaged counts as absent: it says nothing about the pixels.
struct OrientationTag {
  let bytes: [UInt8]

  func inJPEG() -> Orientation {
    var packet: Orientation?
    var position = 2
    while position + 4 <= bytes.count, bytes[position] == 0xFF {
      let marker = bytes[position + 1]
      if marker == 0xFF {
        position += 1
        continue
      }
      if marker == 0xDA || marker == 0xD9 { break }
      let end = position + 2 + bigEndian16(position + 2)
      if end > bytes.count { break }
      if marker == 0xE1, hasPrefix("Exif\0\0", at: position + 4) {
        if let found = inTIFF(from: position + 10, to: end) { return found }
      } else if marker == 0xE1, hasPrefix("http://ns.adobe.com/xap/1.0/\0", at: position + 4) {
        packet = packet ?? inXMP(from: position + 33, to: end)
      }
      position = end
    }
    return packet ?? .upright
  }

  /// - Parameters:
  ///   - exifProfile: the text of "Raw profile type exif", in which ImageMagick and others write EXIF as hexadecimal digits;
  ///     it counts where there is no `eXIf` chunk that says something.
  ///   - xmpPacket: the text of "XML:com.adobe.xmp".
  func inPNG(exifProfile: [UInt8]? = nil, xmpPacket: [UInt8]? = nil) -> Orientation {
    var position = 8
    while position + 12 <= bytes.count {
      let length = bigEndian16(position) << 16 | bigEndian16(position + 2)
      if length > bytes.count - position - 12 { break }
      if hasPrefix("eXIf", at: position + 4) {
        if let found = inTIFF(from: position + 8, to: position + 8 + length) { return found }
      }
      position += 12 + length
    }
    if let profile = exifProfile.map(Self.profile), let found = profile.inProfile() { return found }
    return xmpPacket.flatMap { OrientationTag(bytes: $0).inXMP(from: 0, to: $0.count) } ?? .upright
  }

  /// The bytes of a raw profile: a line feed, its name, a line feed, its length, a line feed, then hexadecimal digits in lines.
  private static func profile(_ text: [UInt8]) -> OrientationTag {
    let lines = text.split(separator: 0x0A, maxSplits: 3, omittingEmptySubsequences: false)
    let digits = (lines.count == 4 ? lines[3] : []).compactMap { Character(UnicodeScalar($0)).hexDigitValue }
    return OrientationTag(
      bytes: stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) })
  }

  /// EXIF with or without the mark that it has in JPEG files.
  private func inProfile() -> Orientation? {
    inTIFF(from: hasPrefix("Exif\0\0", at: 0) ? 6 : 0, to: bytes.count)
  }

  /// `tiff:Orientation="6"` or `<tiff:Orientation>6<` in an XMP packet, the only two ways of writing it.
  private func inXMP(from start: Int, to end: Int) -> Orientation? {
    let name = Array("tiff:Orientation".utf8)
    var position = start
    while position + name.count + 3 <= end {
      guard bytes[position] == name[0], bytes[position..<position + name.count].elementsEqual(name) else {
        position += 1
        continue
      }
      position += name.count
      if hasPrefix("=\"", at: position) || hasPrefix("='", at: position) {
        position += 2
      } else if hasPrefix(">", at: position) {
        position += 1
      } else {
        continue
      }
      return Orientation(rawValue: Int(bytes[position]) - 0x30)
    }
    return nil
  }

  private func inTIFF(from start: Int, to end: Int) -> Orientation? {
    guard end - start >= 8, let little = byteOrder(at: start) else { return nil }
    let directory =
      little
      ? read16(start + 4, little) | read16(start + 6, little) << 16
      : read16(start + 4, little) << 16 | read16(start + 6, little)
    guard directory <= end - start - 2 else { return nil }
    let entries = read16(start + directory, little)
    for entry in 0..<entries {
      let position = start + directory + 2 + 12 * entry
      if position + 12 > end { break }
      if read16(position, little) == 0x0112 {
        // A value of 32 bits, type 4, has its low half last where the bytes are in big-endian order.
        let isWide = read16(position + 2, little) == 4
        return Orientation(rawValue: read16(position + (isWide && !little ? 10 : 8), little))
      }
    }
    return nil
  }

  private func byteOrder(at position: Int) -> Bool? {
    if hasPrefix("II", at: position) { return true }
    return hasPrefix("MM", at: position) ? false : nil
  }

  private func hasPrefix(_ text: String, at position: Int) -> Bool {
    bytes[min(position, bytes.count)...].starts(with: text.utf8)
  }

  private func bigEndian16(_ position: Int) -> Int {
    read16(position, false)
  }

  private func read16(_ position: Int, _ little: Bool) -> Int {
    let (first, second) = (Int(bytes[position]), Int(bytes[position + 1]))
    return little ? second << 8 | first : first << 8 | second
  }
}
