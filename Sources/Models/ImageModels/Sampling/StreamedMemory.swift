import CKernels
import FoundationEssentials
import Glibc
import TensorCore

/// One block of memory for data that every position reads in order, such as weights. Its pages are large if
/// the system grants that: reading small pages in order waits for their addresses.
final class StreamedMemory {
  private static let pageSize = 2 << 20

  private let base: UnsafeMutableRawPointer
  private let capacity: Int
  private var used = 0

  /// - Parameter bytes: the sum of ``reserved(_:)`` of all parts.
  init(bytes: Int) {
    capacity = bytes
    base = .allocate(byteCount: max(bytes, 1), alignment: Self.pageSize)
    if bytes >= Self.pageSize { tsr_advise_huge_pages(base, bytes) }
  }

  deinit { base.deallocate() }

  /// Whether the system grants so much memory; asking costs none.
  static func isAvailable(bytes: Int) -> Bool {
    var block: UnsafeMutableRawPointer?
    guard posix_memalign(&block, pageSize, max(bytes, 1)) == 0 else { return false }
    free(block)
    return true
  }

  /// What a part of `bytes` takes: parts begin at multiples of 64 bytes.
  static func reserved(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }

  /// The next part, not yet set; it lives as long as this object.
  func take(_ bytes: Int) -> UnsafeMutableRawPointer {
    let start = used
    used += Self.reserved(bytes)
    precondition(used <= capacity, "StreamedMemory: \(used) bytes taken of \(capacity)")
    return base + start
  }
}
