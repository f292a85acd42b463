import Synchronization
import TensorCore

/// Batches of items, such as images, of which the next one is read while the caller works on the one before. No more than
/// these two batches are in memory.
public struct ReadAhead {
  /// Threads that read during the work; the caller's thread reads too, once its work on the batch before is done.
  ///
  /// They are other threads than those of the work, which are busy. As many of them is the right number. Both share the
  /// processors: as many readers take the same time from each processor, while fewer take more of it from some processors,
  /// and each parallel loop of the work waits for its slowest thread. Where reading takes longer than the work, as many
  /// readers use all processors.
  private let readers: Int

  /// - Parameter readers: at least 1. Of these, as many threads are started as a batch has items and as the system starts;
  ///   if it starts none, each batch is read after the work on the one before.
  public init(readers: Int) {
    precondition(readers >= 1, "ReadAhead: \(readers) readers")
    self.readers = readers
  }

  /// Calls `work` on this thread with the values of each batch, in order. All threads have left `read` and `work` when it
  /// returns.
  /// - Parameters:
  ///   - read: the value of an item, called once for each, in any order and on any thread.
  ///   - work: what is to be done with a batch; a value may be an error, which is met in its place. Once it throws, no other
  ///     item is begun.
  /// - Throws: What `work` throws.
  public func forEach<Value: Sendable>(
    _ batches: [Range<Int>], read: @Sendable (Int) -> Value,
    work: (_ items: Range<Int>, _ values: [Value]) throws -> Void
  ) throws {
    let largest = batches.lazy.map(\.count).max() ?? 0
    let threads = ThreadPool(count: 1 + min(readers, largest))
    var ready: (items: Range<Int>, values: [Value])?
    for items in batches {
      let values = try threads.values(of: items, read) {
        if let ready { try work(ready.items, ready.values) }
      }
      ready = (items, values)
    }
    if let ready { try work(ready.items, ready.values) }
  }
}

extension ThreadPool {
  /// Reads items on all threads; the caller's thread works before it reads.
  /// - Throws: What `work` throws.
  fileprivate func values<Value>(
    of items: Range<Int>, _ read: (Int) -> Value, after work: () throws -> Void
  ) throws -> [Value] {
    var failure: (any Error)?
    var values = [Value?](repeating: nil, count: items.count)
    // Items take different times, so that each thread takes the next one when it is ready for it.
    let next = Atomic<Int>(items.lowerBound)
    values.withUnsafeMutableBufferPointer { values in
      // Each element is written by the one thread that took its item, and is read when all threads have ended.
      let values = values
      run { thread in
        if thread == 0 {
          do {
            try work()
          } catch {
            failure = error
            next.store(items.upperBound, ordering: .relaxed)
          }
        }
        while true {
          let item = next.add(1, ordering: .relaxed).oldValue
          guard item < items.upperBound else { return }
          values[item - items.lowerBound] = read(item)
        }
      }
    }
    if let failure { throw failure }
    return values.map { $0! }
  }
}
