import FoundationEssentials
import Glibc
import StreamFormat
import Synchronization

/// The tokens of a data set, in the order of the file: two bytes each where the codebook allows it, in memory where they are few,
/// and otherwise in a temporary file, of which the system keeps in memory what it has room for.
final class TokenStorage: Sendable {
  /// Number of tokens.
  let count: Int
  private let place: Place
  /// Tokens that were read of a mapped file since it was released last.
  private let readCount = Atomic<Int>(0)

  private enum Place: Sendable {
    case wide([UInt32])
    case narrow([UInt16])
    case file(Data, width: Int)
  }

  // What was read of a mapped file counts as this process's memory until it is released: with pages of 4 KiB and views
  // of 256 tokens, at most 512 MB.
  private static let tokensBetweenReleases = 1 << 25

  private init(_ place: Place, count: Int) { (self.place, self.count) = (place, count) }

  /// Tokens that are in memory.
  convenience init(_ tokens: [UInt32], below vocabulary: Int) {
    self.init(
      vocabulary > 65_536 ? .wide(tokens) : .narrow(tokens.map { UInt16($0) }), count: tokens.count)
  }

  /// Tokens that come batch by batch.
  /// - Parameters:
  ///   - memory: bytes above which they go into a temporary file.
  ///   - next: the next ones, or nil after the last.
  /// - Throws: `StreamError`, and what `next` throws.
  convenience init(
    below vocabulary: Int, memory: Int, name: String, next: () throws -> [UInt32]?
  ) throws {
    let width = vocabulary > 65_536 ? 4 : 2
    var (wide, narrow): ([UInt32], [UInt16]) = ([], [])
    var file: TemporaryBytes?
    var count = 0
    while let tokens = try next() {
      count += tokens.count
      if width == 4 { wide += tokens } else { narrow += tokens.lazy.map { UInt16($0) } }
      guard file != nil || count * width > memory else { continue }
      if file == nil { file = try TemporaryBytes(for: name) }
      try wide.withUnsafeBytes { _ = try file?.append($0) }
      try narrow.withUnsafeBytes { _ = try file?.append($0) }
      (wide, narrow) = ([], [])
    }
    if let file {
      self.init(.file(try file.mapped(), width: width), count: count)
    } else {
      self.init(width == 4 ? .wide(wide) : .narrow(narrow), count: count)
    }
  }

  /// Tokens one after the other.
  subscript(range: Range<Int>) -> ArraySlice<UInt32> {
    precondition(
      0 <= range.lowerBound && range.upperBound <= count, "TokenStorage: \(range) of \(count) tokens")
    switch place {
    case .wide(let tokens): return tokens[range]
    case .narrow(let tokens): return ArraySlice(tokens[range].map { UInt32($0) })
    case .file(let bytes, let width):
      defer { releaseNowAndThen(bytes, read: range.count) }
      return bytes.withUnsafeBytes { raw in
        let part = UnsafeRawBufferPointer(rebasing: raw[range.lowerBound * width..<range.upperBound * width])
        return width == 4
          ? ArraySlice(part.bindMemory(to: UInt32.self))
          : ArraySlice(part.bindMemory(to: UInt16.self).map { UInt32($0) })
      }
    }
  }

  /// Calls a function with all tokens, some after the other.
  func forEachPart(_ body: (ArraySlice<UInt32>) -> Void) {
    for first in stride(from: 0, to: count, by: 1 << 22) { body(self[first..<min(first + 1 << 22, count)]) }
  }

  private func releaseNowAndThen(_ bytes: Data, read: Int) {
    guard readCount.add(read, ordering: .relaxed).newValue > Self.tokensBetweenReleases else { return }
    readCount.store(0, ordering: .relaxed)
    bytes.withUnsafeBytes {
      _ = madvise(UnsafeMutableRawPointer(mutating: $0.baseAddress), $0.count, MADV_DONTNEED)
    }
  }
}
