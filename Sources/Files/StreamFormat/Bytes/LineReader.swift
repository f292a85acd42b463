/// The lines of a source, without their line feeds, one after the other as they come.
public final class LineReader {
  /// A line that is longer than any that is meant.
  public struct TooLong: Error, Equatable, CustomStringConvertible, Sendable {
    /// The name of the source.
    public let file: String
    /// Counted from 1.
    public let line: Int
    /// The most bytes of a line.
    public let limit: Int

    /// One line: file, place, expected, found, what to try.
    public var description: String {
      "\(file): line \(line): expected lines of at most \(limit) bytes; found a longer one; try: one object per line"
    }
  }

  private let source: ByteSource
  private let limit: Int
  private var buffer: [UInt8] = []
  /// Where the next line begins in the buffer.
  private var start = 0
  private var isAtEnd = false
  /// The number of lines that were read.
  public private(set) var count = 0

  /// - Parameter limit: the most bytes of a line.
  public init(_ source: ByteSource, limit: Int = 1 << 24) { (self.source, self.limit) = (source, limit) }

  /// Passes over the line that ``next()`` found too long.
  /// - Throws: ``StreamError``.
  public func skip() throws {
    count += 1
    while true {
      if let end = buffer[start...].firstIndex(of: 0x0A) {
        start = end + 1
        return
      }
      (buffer, start) = ([], 0)
      if isAtEnd { return }
      try fill()
    }
  }

  /// The next line, or nil after the last. What follows the last line feed is a line if it is not empty.
  /// - Throws: ``StreamError``, ``TooLong``.
  public func next() throws -> ArraySlice<UInt8>? {
    var searched = start
    while true {
      if let end = buffer[searched...].firstIndex(of: 0x0A) {
        defer { start = end + 1 }
        count += 1
        return buffer[start..<end]
      }
      if isAtEnd {
        defer { start = buffer.count }
        guard start < buffer.count else { return nil }
        count += 1
        return buffer[start...]
      }
      guard buffer.count - start < limit else {
        throw TooLong(file: source.name, line: count + 1, limit: limit)
      }
      buffer.removeFirst(start)
      (start, searched) = (0, buffer.count)
      try fill()
    }
  }

  private func fill() throws {
    var part = [UInt8](repeating: 0, count: 1 << 18)
    let count = try part.withUnsafeMutableBytes { try source.read(into: $0) }
    if count == 0 { isAtEnd = true }
    buffer += part[..<count]
  }
}
