import Glibc

/// The processes that share one run, called ranks as in MPI, and what they tell each other. All ranks make the same calls in
/// the same order. What a call gives is equal on all ranks, bit for bit.
public protocol Communicator: AnyObject {
  /// The number of this process, from 0.
  var rank: Int { get }
  /// How many there are.
  var count: Int { get }
  /// Replaces each value by its sum over the ranks, added as a binary tree: rank 0 with 1, 2 with 3, and so on, then these
  /// sums with each other.
  /// - Precondition: a power of two of ranks, and as many values on each.
  func sum(_ values: UnsafeMutableBufferPointer<Float>)
  /// Whether another thread may call ``sum(_:)``, while no other call is made.
  var sumsOnAnyThread: Bool { get }
  /// The bytes of all ranks, in their order. The ranks may have different numbers of bytes.
  func gather(_ bytes: [UInt8]) -> [[UInt8]]
  /// Ends all ranks with a status.
  func abort(status: Int32) -> Never
  /// Leaves the others, when all are here; nothing can be told afterwards.
  func finish()
}

extension Communicator {
  /// Whether this rank writes files and messages.
  public var isFirst: Bool { rank == 0 }

  /// The numbers of all ranks, in their order.
  public func gather<Number: BitwiseCopyable>(numbers: [Number]) -> [Number] {
    if count == 1 { return numbers }
    return gather(numbers.withUnsafeBytes { [UInt8]($0) }).flatMap { bytes in
      bytes.withUnsafeBytes { raw in
        stride(from: 0, to: raw.count, by: MemoryLayout<Number>.stride).map {
          raw.loadUnaligned(fromByteOffset: $0, as: Number.self)
        }
      }
    }
  }

  /// Whether it is true on some rank.
  public func isTrueAnywhere(_ value: Bool) -> Bool { gather([value ? 1 : 0]).contains([1]) }

  /// Returns when all ranks are here.
  public func wait() { _ = gather([] as [UInt8]) }

  /// What this rank does of `total` things: a range of them, in the order of the ranks.
  public func share(of total: Int) -> Range<Int> { total * rank / count..<total * (rank + 1) / count }

  /// The same in whole batches of the whole, so that what is computed of a batch does not depend on the ranks.
  public func share(of total: Int, batchSize: Int) -> Range<Int> {
    let batches = share(of: (total + batchSize - 1) / batchSize)
    return min(batches.lowerBound * batchSize, total)..<min(batches.upperBound * batchSize, total)
  }
}

/// A run of one process, which tells itself nothing.
public final class SingleProcess: Communicator, Sendable {
  public init() {}

  public var rank: Int { 0 }
  public var count: Int { 1 }
  public func sum(_ values: UnsafeMutableBufferPointer<Float>) {}
  public var sumsOnAnyThread: Bool { true }
  public func gather(_ bytes: [UInt8]) -> [[UInt8]] { [bytes] }
  public func abort(status: Int32) -> Never { exit(status) }
  public func finish() {}
}
