/// Something bytes can be read from, in order.
public protocol ByteSource: AnyObject {
  /// The name error messages give to it.
  var name: String { get }
  /// Reads at least one byte into a buffer, unless the end is reached.
  /// - Returns: The number of bytes read; 0 at the end.
  /// - Throws: ``StreamError/readFailed(file:errno:)``.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

/// Something bytes can be written to, in order.
public protocol ByteSink: AnyObject {
  /// The name error messages give to it.
  var name: String { get }
  /// Writes all bytes of the buffer.
  /// - Throws: ``StreamError/writeFailed(file:errno:)`` or ``StreamError/closedPipe(file:)``.
  func write(_ buffer: UnsafeRawBufferPointer) throws
}

/// Bytes in memory, as a source.
public final class MemorySource: ByteSource {
  /// The name error messages give to it.
  public let name: String
  private let bytes: [UInt8]
  private var position = 0

  public init(_ bytes: [UInt8], name: String = "(in memory)") {
    self.bytes = bytes
    self.name = name
  }

  /// Reads at least one byte, unless the end is reached; returns how many.
  public func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let count = min(buffer.count, bytes.count - position)
    buffer.copyBytes(from: bytes[position..<position + count])
    position += count
    return count
  }
}

/// A sink that keeps its bytes in memory.
public final class MemorySink: ByteSink {
  /// The name error messages give to it.
  public let name: String
  public private(set) var bytes: [UInt8] = []

  public init(name: String = "(in memory)") {
    self.name = name
  }

  /// Writes all bytes of the buffer.
  public func write(_ buffer: UnsafeRawBufferPointer) {
    bytes.append(contentsOf: buffer)
  }
}

extension ByteSource {
  /// Everything that the source still gives: a text such as a list of files.
  /// - Parameter limit: the most bytes to take, since a device may never end.
  /// - Throws: ``StreamError``, and ``FormatError`` (valueOutOfRange) for more bytes than the limit.
  public func readAll(limit: Int = 1 << 28) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = try buffer.withUnsafeMutableBytes { try read(into: $0) }
      if count == 0 { return bytes }
      bytes += buffer[..<count]
      guard bytes.count <= limit else {
        throw FormatError(
          .valueOutOfRange, at: Origin(file: name), expected: "at most \(limit) bytes", found: "more",
          hint: "check that this is the file you meant, or give it in parts")
      }
    }
  }
}
