/// A block of pooled memory that returns to its pool when the last tensor releases it.
final class TensorStorage {
  let pointer: UnsafeMutablePointer<Float>
  let count: Int
  private let block: MemoryPool.Block
  private let pool: MemoryPool

  init(count: Int, pool: MemoryPool) {
    self.count = count
    self.pool = pool
    block = pool.take(bytes: count * MemoryLayout<Float>.stride)
    pointer = block.pointer.bindMemory(to: Float.self, capacity: max(count, 1))
  }

  deinit { pool.give(block) }
}

/// A dense row-major float32 array. A tensor is a handle: copies share their memory, and the ops of
/// this package write only to tensors that they have just made.
public struct Tensor {
  /// Sizes, slowest dimension first; empty for a scalar.
  public let shape: [Int]
  var storage: TensorStorage

  /// The first element. Valid while this tensor (or a copy of it) lives.
  public var pointer: UnsafeMutablePointer<Float> { storage.pointer }
  public var count: Int { storage.count }
  /// The elements as a buffer.
  public var buffer: UnsafeMutableBufferPointer<Float> { .init(start: pointer, count: count) }
  /// Size of the last dimension (1 for a scalar).
  public var lastDimension: Int { shape.last ?? 1 }
  /// Product of all dimensions but the last.
  public var rowCount: Int { lastDimension == 0 ? 0 : count / lastDimension }

  init(shape: [Int], storage: TensorStorage) {
    self.shape = shape
    self.storage = storage
  }

  /// The elements, copied.
  public func toArray() -> [Float] { Array(buffer) }

  /// Whether every element is a number, and none infinite.
  public var isFinite: Bool {
    // Without a way out of the loop, it is one of vectors.
    var highest: UInt32 = 0
    for value in buffer { highest = max(highest, value.bitPattern & ~(1 << 31)) }
    return highest < Float.infinity.bitPattern
  }

  /// The only element of a tensor that has one.
  public var scalar: Float {
    precondition(count == 1, "Tensor.scalar: shape \(shape) holds \(count) elements")
    return pointer[0]
  }

  /// The same memory under another shape of equal size.
  public func reshaped(_ shape: [Int]) -> Tensor {
    precondition(
      shape.reduce(1, *) == count, "Tensor.reshaped: \(self.shape) does not hold the elements of \(shape)")
    return Tensor(shape: shape, storage: storage)
  }

  /// Whether nothing else refers to this tensor's memory, so that it may be written in place.
  public mutating func isUniquelyReferenced() -> Bool { isKnownUniquelyReferenced(&storage) }

  /// Overwrites the elements with those of another tensor of the same size.
  public func copyElements(from other: Tensor) {
    precondition(other.count == count, "Tensor.copyElements: \(shape) from \(other.shape)")
    pointer.update(from: other.pointer, count: count)
  }
}
