import CArchive
import FoundationEssentials
import Glibc
import StreamFormat

/// A locale of one thread in which names are UTF-8: libarchive takes the names of members for what the locale says, and in the
/// one that a program begins with it has none for a name beyond ASCII.
final class UTF8Locale {
  private let locale = newlocale(1 << LC_CTYPE, "C.UTF-8", nil)

  deinit { if let locale { freelocale(locale) } }

  /// Calls `body` in this locale.
  func callAsFunction<Result>(_ body: () -> Result) -> Result {
    guard let locale else { return body() }
    let previous = uselocale(locale)
    defer { uselocale(previous) }
    return body()
  }
}

extension ArchiveReader {
  /// The bytes that stand before a zip archive, as where two archives were joined, belong to members that its directory does not
  /// have. Its end says where the directory begins, counted from the begin of the archive.
  static func bytesBefore(_ zip: Data) -> Int? {
    let count = zip.count
    // A comment of up to 64 KB may follow the end.
    let places = stride(from: count - 22, through: max(0, count - 22 - 0xFFFF), by: -1)
    func number(_ offset: Int, _ bytes: Int) -> Int {
      (0..<bytes).reversed().reduce(0) { $0 << 8 | Int(zip[zip.startIndex + offset + $1]) }
    }
    guard
      let end = places.first(where: { number($0, 4) == 0x0605_4B50 && $0 + 22 + number($0 + 20, 2) == count })
    else { return nil }
    let (size, offset) = (number(end + 12, 4), number(end + 16, 4))
    // Sizes of zip64 stand in a record of their own, which lies between the directory and this end.
    if size == 0xFFFF_FFFF || offset == 0xFFFF_FFFF { return nil }
    let isZip64 = end >= 20 && number(end - 20, 4) == 0x0706_4B50
    return isZip64 ? nil : end - size - offset
  }
}
