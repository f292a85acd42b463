/// A buffered source that counts and hashes the bytes that it reads.
final class RawInput {
  private let source: ByteSource
  private var buffer = [UInt8](repeating: 0, count: 1 << 18)
  private var unread = 0..<0
  private var hasher = SHA256Hasher()
  /// Bytes consumed so far.
  private(set) var offset: UInt64 = 0
  /// True after the end of the source was reached.
  private(set) var sourceEnded = false

  init(_ source: ByteSource) {
    self.source = source
  }

  var name: String { source.name }
  var isAtEnd: Bool { sourceEnded && unread.isEmpty }
  var sha256: String { hasher.finish() }

  /// The next bytes, without consuming them. There are fewer than requested only at the end.
  func peek(_ count: Int) throws -> [UInt8] {
    while unread.count < count, !sourceEnded { try fill() }
    return Array(buffer[unread.prefix(count)])
  }

  /// Passes the buffered bytes to `body` (at least one, except at the end), which returns how many it
  /// consumed.
  func withBuffered<Result>(
    _ body: (UnsafeRawBufferPointer) throws -> (result: Result, consumed: Int)
  ) throws -> Result {
    if unread.isEmpty, !sourceEnded { try fill() }
    let (result, consumed) = try buffer.withUnsafeBytes {
      try body(UnsafeRawBufferPointer(rebasing: $0[unread]))
    }
    unread = unread.lowerBound + consumed..<unread.upperBound
    offset += UInt64(consumed)
    return result
  }

  /// Consumes bytes without keeping them; returns how many there were.
  func skip(_ count: Int) throws -> Int {
    var skipped = 0
    while skipped < count {
      let step = try withBuffered { (min($0.count, count - skipped), min($0.count, count - skipped)) }
      if step == 0 { break }
      skipped += step
    }
    return skipped
  }

  private func fill() throws {
    if unread.lowerBound > 0 {
      buffer.replaceSubrange(0..<unread.count, with: Array(buffer[unread]))
      unread = 0..<unread.count
    }
    let count = try buffer.withUnsafeMutableBytes { raw in
      let free = UnsafeMutableRawBufferPointer(rebasing: raw[unread.upperBound...])
      let count = try source.read(into: free)
      hasher.update(UnsafeRawBufferPointer(rebasing: free[..<count]))
      return count
    }
    sourceEnded = count == 0
    unread = 0..<unread.count + count
  }
}
