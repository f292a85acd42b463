/// Hands out 64-byte aligned blocks and takes them back, so that a steady training step asks the
/// system for no memory. Blocks are kept by size class, eight classes to each power of two.
///
/// Used from one thread; parallel loops get their buffers before they start.
public final class MemoryPool {
  /// Memory, and its size: a size class.
  struct Block {
    let pointer: UnsafeMutableRawPointer
    let size: Int
  }

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

  /// A block of at least `bytes`: one of their size class, or else a free one that is up to half as large again. So gradients
  /// take the memory that activations of other shapes have left.
  func take(bytes: Int) -> Block {
    let smallest = Self.sizeClass(bytes)
    var size = smallest
    while size <= smallest + smallest / 2 {
      if let pointer = free[size]?.popLast() { return Block(pointer: pointer, size: size) }
      size = Self.sizeClass(size + 1)
    }
    bytesHeld += smallest
    return Block(pointer: .allocate(byteCount: smallest, alignment: 64), size: smallest)
  }

  func give(_ block: Block) { free[block.size, default: []].append(block.pointer) }

  /// Returns every unused block to the system.
  public func trim() {
    for (size, blocks) in free {
      for block in blocks { block.deallocate() }
      bytesHeld -= size * blocks.count
    }
    free.removeAll()
  }
}
