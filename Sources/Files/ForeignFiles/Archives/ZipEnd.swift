import FoundationEssentials

/// What the end of a zip archive says about the whole of it, of which libarchive checks little: it takes a second archive behind
/// the first for all there is, and looks for the end in the last 16 KB only.
struct ZipEnd {
  /// Why an archive cannot be read.
  enum Fault: Equatable {
    /// The file does not end as a zip archive does.
    case missing
    /// Its comment has so many bytes, more than libarchive passes over.
    case longComment(Int)
    /// So many bytes stand between the begin of the file and that of the archive.
    case bytesBefore(Int)
  }

  // Section 4.3 of PKWARE's APPNOTE.TXT.
  private static let (endSize, locatorSize) = (22, 20)
  private static let (endMark, locatorMark, longEndMark) = (0x0605_4B50, 0x0706_4B50, 0x0606_4B50)
  /// libarchive reads the last 16 KB, and finds no end that begins with the first of these bytes.
  static let longestComment = 16384 - endSize - 1

  private let zip: Data

  private init(_ zip: Data) { self.zip = zip }

  /// What is wrong with the end; nil of an archive that fills its file.
  static func fault(of zip: Data) -> Fault? { ZipEnd(zip).fault }

  private var fault: Fault? {
    let count = zip.count
    let places = stride(from: count - Self.endSize, through: max(0, count - Self.endSize - 0xFFFF), by: -1)
    guard
      let end = places.first(where: {
        number($0, 4) == Self.endMark && $0 + Self.endSize + number($0 + 20, 2) == count
      })
    else { return .missing }
    let comment = count - end - Self.endSize
    if comment > Self.longestComment { return .longComment(comment) }
    // An archive of many or large members has its numbers in a second end before this one.
    let locator = end - Self.locatorSize
    guard locator >= 0, number(locator, 4) == Self.locatorMark else {
      return gap(before: end, size: number(end + 12, 4), offset: number(end + 16, 4))
    }
    let longEnd = number(locator + 8, 8)
    guard longEnd >= 0, longEnd <= locator - 56, number(longEnd, 4) == Self.longEndMark,
      number(longEnd + 4, 8) == locator - longEnd - 12
    else {
      // Where it should be, it is not: the archive does not begin where the file does.
      let place = stride(from: locator - 56, through: max(0, locator - 0xFFFF), by: -1).first {
        number($0, 4) == Self.longEndMark && number($0 + 4, 8) == locator - $0 - 12
      }
      guard let place, longEnd >= 0, place > longEnd else { return .missing }
      return .bytesBefore(place - longEnd)
    }
    return gap(before: longEnd, size: number(longEnd + 40, 8), offset: number(longEnd + 48, 8))
  }

  /// The directory ends where the end begins; its offset is counted from the begin of the archive.
  private func gap(before end: Int, size: Int, offset: Int) -> Fault? {
    let (sum, overflow) = size.addingReportingOverflow(offset)
    guard !overflow, size >= 0, offset >= 0, sum <= end else { return .missing }
    return sum == end ? nil : .bytesBefore(end - sum)
  }

  private func number(_ offset: Int, _ bytes: Int) -> Int {
    (0..<bytes).reversed().reduce(0) { $0 << 8 | Int(zip[zip.startIndex + offset + $1]) }
  }
}
