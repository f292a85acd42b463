import FoundationEssentials
import Glibc
import StreamFormat

/// An `.npy` file with the codes of many images, the images along its first dimension, and one with a label for each.
public final class NumPyTokenArray: ForeignTokenSequence {
  public let classNames: [String] = []
  public let classCount: Int?
  private let file: MappedFile
  private let header: NumPyHeader
  private let labels: [Int]
  private let itemSize: Int
  /// Where the elements begin in the file.
  private let start: Int
  private var position = 0

  // What was read of the file would otherwise count as this process's memory.
  private static let itemsBetweenReleases = 1 << 14

  /// - Throws: ``ForeignFileError`` for files that are no such arrays.
  public init(codes: MappedFile, labels: MappedFile) throws {
    file = codes
    var taken = 0
    header = try NumPyHeader(name: codes.name) { count in
      let bytes = codes.bytes.dropFirst(taken).prefix(count)
      taken += bytes.count
      return bytes
    }
    start = taken
    self.labels = try StoredTensor(numpyIntegers: labels.bytes, file: labels.name).integers()
    func error(_ expected: String, _ found: String, _ hint: String) -> ForeignFileError {
      ForeignFileError(
        defect: .malformed, file: codes.name, offset: nil, expected: expected, found: found, hint: hint)
    }
    guard !header.elementType.isFloatingPoint, header.elementType != .bool, !header.isFortran,
      (2...3).contains(header.shape.count),
      let size = header.byteCount
    else {
      throw error(
        "an array of integers in C order, [images, views, tokens] or [images, tokens]",
        "\(header.elementType.rawValue) \(header.shape)\(header.isFortran ? " in Fortran order" : "")",
        "numpy.save(file, numpy.ascontiguousarray(codes, dtype='<i4'))")
    }
    guard codes.bytes.count == taken + size else {
      throw error("\(size) bytes of elements", "\(codes.bytes.count - taken)", "copy the file again")
    }
    guard header.shape[0] == self.labels.count else {
      throw error(
        "as many images as \(labels.name) has labels, \(self.labels.count)", "\(header.shape[0])",
        "give the labels of these images")
    }
    itemSize = size / max(1, header.shape[0])
    classCount = self.labels.max().map { max(0, min($0, TokenHeader.maximumSize - 1)) + 1 }
  }

  public func next() throws -> ForeignImageTokens? {
    guard position < labels.count else { return nil }
    let first = file.bytes.startIndex + start + position * itemSize
    var item = StoredTensor(
      name: "codes", elementType: header.elementType, shape: Array(header.shape.dropFirst()),
      bytes: [UInt8](file.bytes[first..<first + itemSize]))
    item.origin = Origin(file: "\(file.name): image \(position)")
    defer { position += 1 }
    if position % Self.itemsBetweenReleases == 0 { file.release() }
    return try ForeignImageTokens(item, label: labels[position], place: "\(file.name): image \(position)")
  }
}
