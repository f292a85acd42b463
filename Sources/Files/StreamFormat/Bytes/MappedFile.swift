import FoundationEssentials
import Glibc

/// The bytes of an input that is read at any place: a regular file is mapped, and anything else, such as a pipe, is first
/// copied into a temporary file without a name. Nothing is held in memory that the system cannot take back.
public final class MappedFile {
  /// The name error messages give to it.
  public let name: String
  /// All bytes.
  public let bytes: Data

  private let isMapped: Bool

  /// Maps all that a source holds, of which nothing was read but what a ``PeekedSource`` has looked at.
  /// - Throws: ``StreamError``.
  public init(_ source: ByteSource) throws {
    (name, isMapped) = (source.name, true)
    let peeked = source as? PeekedSource
    if let file = (peeked?.source ?? source) as? FileSource,
      let count = regularFileSize(file.descriptor, position: peeked?.peeked.count ?? 0)
    {
      bytes = try mappedBytes(file.descriptor, count, name)
      return
    }
    bytes = try Self.copy(of: source).mapped()
  }

  /// Bytes that are in memory already.
  public init(_ bytes: [UInt8], name: String) {
    (self.name, self.bytes, isMapped) = (name, Data(bytes), false)
  }

  /// Gives the memory of what was read back to the system; it is read from the file again where it is needed again.
  public func release() {
    guard isMapped, !bytes.isEmpty else { return }
    bytes.withUnsafeBytes {
      _ = madvise(UnsafeMutableRawPointer(mutating: $0.baseAddress), $0.count, MADV_DONTNEED)
    }
  }

  private static func copy(of source: ByteSource) throws -> TemporaryBytes {
    let copy = try TemporaryBytes(for: source.name)
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    while true {
      let count = try buffer.withUnsafeMutableBytes { try source.read(into: $0) }
      if count == 0 { return copy }
      try buffer.withUnsafeBytes { _ = try copy.append(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
  }
}

/// The first bytes of an open file, mapped.
func mappedBytes(_ descriptor: Int32, _ count: Int, _ name: String) throws -> Data {
  if count == 0 { return Data() }
  guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), start != MAP_FAILED else {
    throw StreamError.readFailed(file: name, errno: errno)
  }
  return Data(bytesNoCopy: start, count: count, deallocator: .custom { munmap($0, $1) })
}

/// The size of a regular file that was read to `position`; nil of anything else.
private func regularFileSize(_ descriptor: Int32, position: Int) -> Int? {
  var status = stat()
  guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
    lseek(descriptor, 0, SEEK_CUR) == position
  else { return nil }
  return Int(status.st_size)
}
