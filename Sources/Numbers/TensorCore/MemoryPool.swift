/// Hands out 64-byte aligned blocks and takes them back, so that a steady training step asks the
/// system for no memory. Blocks are kept by size class, eight classes to each power of two.
///
/// Used from one thread; parallel loops get their buffers before they start.
public final class MemoryPool {
  private var free: [Int: [UnsafeMutableRawPointer]] = [:]

  /// Bytes obtained from the system and not returned to it; constant once a loop is steady.
  public private(set) var bytesHeld = 0

  /// An empty pool.
  public init() {}

  deinit {
    for blocks in free.values { for block in blocks { block.deallocate() } }
  }

  /// Rounds a byte count up to its size class.
  static func sizeClass(_ bytes: Int) -> Int {
    let minimum = 256
    guard bytes > minimum else { return minimum }
    let step = max(minimum, 1 << (Int.bitWidth - (bytes - 1).leadingZeroBitCount - 4))
    return (bytes + step - 1) / step * step
  }

  func take(bytes: Int) -> UnsafeMutableRawPointer {
    let size = Self.sizeClass(bytes)
    if let block = free[size]?.popLast() { return block }
    bytesHeld += size
    return .allocate(byteCount: size, alignment: 64)
  }

  func give(_ block: UnsafeMutableRawPointer, bytes: Int) {
    free[Self.sizeClass(bytes), default: []].append(block)
  }

  /// Returns every unused block to the system.
  public func trim() {
    for (size, blocks) in free {
      for block in blocks { block.deallocate() }
      bytesHeld -= size * blocks.count
    }
    free.removeAll()
  }
}
