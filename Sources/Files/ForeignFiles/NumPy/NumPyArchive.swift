import FoundationEssentials
import Glibc
import StreamFormat

/// The arrays of an `.npz` archive, of which only the headers are read until more is asked for.
public struct NumPyArchive {
  /// The archive's name as the user gave it.
  public let name: String
  /// What each array is, by its name without `.npy`.
  public let arrays: [String: NumPyHeader]
  private let file: MappedFile

  /// True of the first bytes of a zip archive whose first member is an `.npy` file.
  public static func isArchive(_ start: [UInt8]) -> Bool {
    // The name's length stands at byte 26, and the name at byte 30.
    guard ArchiveReader.isArchive(start), start.count >= 30 else { return false }
    let length = Int(start[26]) | Int(start[27]) << 8
    return start.dropFirst(30).prefix(length).suffix(4).elementsEqual(".npy".utf8)
  }

  /// Reads the directory and the headers.
  /// - Throws: ``ForeignFileError``.
  public init(_ file: MappedFile) throws {
    (self.file, name) = (file, file.name)
    let reader = try ArchiveReader(file)
    var arrays: [String: NumPyHeader] = [:]
    while let member = try reader.next() {
      guard member.hasSuffix(".npy") else { continue }
      let array = String(member.dropLast(4))
      let header = try NumPyHeader(reader, name: "\(file.name): \(array)")
      guard arrays.updateValue(header, forKey: array) == nil else { throw duplicate(array, in: file.name) }
    }
    self.arrays = arrays
  }

  /// A whole array, in C order; nil if there is none of the name.
  /// - Throws: ``ForeignFileError``.
  public func tensor(_ array: String) throws -> StoredTensor? {
    guard let reader = try reader(of: array) else { return nil }
    let tensor = try PickleTensor(numpy: reader.content(), name: "\(name): \(array)")
    guard case .bytes(let bytes, let type) = tensor.source else { return nil }
    return StoredTensor(name: array, elementType: type, shape: tensor.shape, bytes: tensor.dense(from: bytes))
  }

  /// The elements of an array as they are stored, mapped; nil if there is none of the name.
  /// - Throws: ``ForeignFileError``, `StreamError`.
  public func elements(of array: String) throws -> StoredElements? {
    let files = try ArchivedFiles(file) { $0 == [array + ".npy"] }.files
    return try files.first.map { try StoredElements($0.bytes, name: "\(name): \(array)") }
  }

  /// The items of an array along its first dimension, to be read one after the other.
  /// - Throws: ``ForeignFileError`` for Fortran order.
  public func items(of array: String) throws -> NumPyItems? {
    guard let header = arrays[array] else { return nil }
    return try NumPyItems(header, name: "\(name): \(array)") { try reader(of: array) }
  }

  private func reader(of array: String) throws -> ArchiveReader? {
    let reader = try ArchiveReader(file)
    while let member = try reader.next() { if member == array + ".npy" { return reader } }
    return nil
  }
}

/// The elements of an `.npy` array where they lie.
public struct StoredElements {
  /// Type and shape.
  public let header: NumPyHeader
  /// The elements, mapped, in the order that the header says.
  public let bytes: Data

  /// The array of an `.npy` file.
  /// - Throws: ``ForeignFileError``, also for a file of another size than its header says.
  public init(_ file: Data, name: String) throws {
    var rest = file
    header = try NumPyHeader(name: name) { count in
      defer { rest = rest.dropFirst(count) }
      return rest.prefix(count)
    }
    guard let size = header.byteCount, rest.count == size else {
      throw ForeignFileError(
        defect: .truncated, file: name, offset: file.count,
        expected: "\(header.byteCount.map(String.init) ?? "fewer") bytes for shape \(header.shape) of "
          + header.elementType.rawValue,
        found: "\(rest.count)", hint: "write the array again")
    }
    bytes = rest
  }
}

/// The items of an array, read as a stream: asking for them in ascending order reads the archive once, and holds no more
/// than one of them.
public final class NumPyItems {
  /// What the array is.
  public let header: NumPyHeader
  private let name: String
  private let open: () throws -> ArchiveReader?
  private let itemSize: Int
  private var reader: ArchiveReader?
  private var position = 0

  init(
    _ header: NumPyHeader, name: String, open: @escaping () throws -> ArchiveReader?
  ) throws {
    (self.header, self.name, self.open) = (header, name, open)
    guard !header.isFortran, let total = header.byteCount, let count = header.shape.first else {
      throw ForeignFileError(
        defect: .unsupported, file: name, offset: nil, expected: "an array of items in C order",
        found: header.isFortran ? "Fortran order" : "shape \(header.shape)",
        hint: "save it with numpy.ascontiguousarray")
    }
    itemSize = count == 0 ? 0 : total / count
  }

  /// Number of items.
  public var count: Int { header.shape[0] }

  /// The bytes of an item.
  /// - Throws: ``ForeignFileError``, also for a wrong checksum where this is the last item.
  public func item(_ index: Int) throws -> [UInt8] {
    precondition((0..<count).contains(index), "item \(index) of \(count)")
    if reader == nil || index < position {
      reader = try open()
      if let reader { _ = try NumPyHeader(reader, name: name) }
      position = 0
    }
    guard let reader else { throw truncated(index) }
    try reader.skip((index - position) * itemSize)
    let bytes = try [UInt8](unsafeUninitializedCapacity: itemSize) { buffer, filled in
      filled = try reader.read(into: UnsafeMutableRawBufferPointer(buffer))
    }
    guard bytes.count == itemSize else { throw truncated(index) }
    position = index + 1
    if position == count { try end(reader) }
    return bytes
  }

  /// Reads what is left, so that the checksum is known to be right.
  /// - Throws: As ``item(_:)``.
  public func finish() throws {
    if let reader, position < count { try reader.skip() }
  }

  private func end(_ reader: ArchiveReader) throws {
    var byte: UInt8 = 0
    guard try withUnsafeMutableBytes(of: &byte, { try reader.read(into: $0) }) == 0 else {
      throw ForeignFileError(
        defect: .malformed, file: name, offset: nil,
        expected: "\(count * itemSize) bytes for \(header.shape)",
        found: "more", hint: "write the archive again")
    }
  }

  private func truncated(_ index: Int) -> ForeignFileError {
    ForeignFileError(
      defect: .truncated, file: name, offset: nil,
      expected: "\(count * itemSize) bytes for shape \(header.shape) of \(header.elementType.rawValue)",
      found: "the end in item \(index)", hint: "write the archive again")
  }
}

/// Writes arrays into an `.npz` archive as a stream: what is not written yet is not in memory.
public final class NumPyArchiveWriter {
  private let archive: ArchiveWriter
  private var left = 0

  /// An archive without arrays yet.
  /// - Throws: `StreamError`.
  public init(_ sink: ByteSink) throws { archive = try ArchiveWriter(sink) }

  /// Starts an array, whose elements ``write(_:)`` gives.
  /// - Throws: `StreamError`.
  public func begin(_ name: String, _ header: NumPyHeader) throws {
    precondition(left == 0, "an array after one that lacks \(left) bytes")
    guard let size = header.byteCount else { preconditionFailure("an array of \(header.shape)") }
    let start = header.bytes
    try archive.begin(name + ".npy", size: start.count + size)
    try start.withUnsafeBytes { try archive.write($0) }
    left = size
  }

  /// Writes the next elements, in C order.
  /// - Throws: `StreamError`.
  public func write(_ elements: UnsafeRawBufferPointer) throws {
    left -= elements.count
    precondition(left >= 0, "more elements than the shape has")
    try archive.write(elements)
  }

  /// Ends the archive.
  /// - Throws: `StreamError`.
  public func finish() throws {
    precondition(left == 0, "an array that lacks \(left) bytes")
    try archive.finish()
  }
}

extension NumPyHeader {
  /// Reads the header of the member that a reader is at.
  fileprivate init(_ reader: ArchiveReader, name: String) throws {
    try self.init(name: name) { count in
      var bytes = [UInt8](repeating: 0, count: count)
      let read = try bytes.withUnsafeMutableBytes { try reader.read(into: $0) }
      return Data(bytes[..<read])
    }
  }
}

func duplicate(_ name: String, in file: String) -> ForeignFileError {
  ForeignFileError(
    defect: .malformed, file: file, offset: nil, expected: "each name once", found: "'\(name)' twice",
    hint: "write the archive again")
}
