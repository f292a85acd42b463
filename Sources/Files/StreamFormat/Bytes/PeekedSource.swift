/// A source whose first bytes are looked at before it is read, without being lost: a pipe gives them only once.
public final class PeekedSource: ByteSource {
  /// The name error messages give to it.
  public let name: String
  let source: ByteSource
  private var start: ArraySlice<UInt8> = []

  /// Looks at a source that stands at its start.
  /// - Parameter count: the most bytes that are looked at.
  /// - Throws: ``StreamError``.
  public init(_ source: ByteSource, count: Int) throws {
    (self.source, name) = (source, source.name)
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let read = try bytes.withUnsafeMutableBytes {
        try source.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[filled...]))
      }
      if read == 0 { break }
      filled += read
    }
    start = bytes[..<filled]
  }

  /// The first bytes that were not read yet.
  public var peeked: [UInt8] { Array(start) }

  /// Reads at least one byte, unless the end is reached; returns how many.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    if start.isEmpty { return try source.read(into: buffer) }
    let count = min(buffer.count, start.count)
    buffer.copyBytes(from: start.prefix(count))
    start = start.dropFirst(count)
    return count
  }
}
