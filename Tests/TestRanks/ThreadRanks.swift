import Communication
import Foundation
import Synchronization

/// Ranks that are threads of the test, so that what depends on ranks is tested without MPI.
public final class ThreadRanks: Communicator {
  public let rank: Int
  public let count: Int
  private let board: Board
  private let messageSize: Int

  private init(rank: Int, count: Int, board: Board, messageSize: Int) {
    (self.rank, self.count, self.board, self.messageSize) = (rank, count, board, messageSize)
  }

  /// Runs `body` on `count` ranks at the same time.
  /// - Parameter messageSize: the most values that a message of a sum has.
  /// - Returns: what each rank gives, in their order.
  public static func run<Value: Sendable>(
    _ count: Int, messageSize: Int = 1000, _ body: @escaping @Sendable (ThreadRanks) throws -> Value
  ) -> [Result<Value, any Error>] {
    let board = Board(count)
    let results = Results<Value>()
    let group = DispatchGroup()
    for rank in 0..<count {
      group.enter()
      let thread = Thread {
        let own = ThreadRanks(rank: rank, count: count, board: board, messageSize: messageSize)
        let result = Result { try body(own) }
        results.values.withLock { $0[rank] = result }
        group.leave()
      }
      thread.stackSize = 1 << 24
      thread.start()
    }
    group.wait()
    return results.values.withLock { values in (0..<count).map { values[$0]! } }
  }

  private final class Results<Value: Sendable>: Sendable {
    let values = Mutex<[Int: Result<Value, any Error>]>([:])
  }

  public func sum(_ values: UnsafeMutableBufferPointer<Float>) {
    RecursiveHalving(rank: rank, count: count, messageSize: messageSize) { [self] partner, sent, received in
      let values = board.exchange(Array(sent), from: rank, with: partner)
      precondition(values.count == received.count, "\(values.count) values for \(received.count)")
      _ = received.update(fromContentsOf: values)
    }.sum(values)
  }

  public var sumsOnAnyThread: Bool { true }
  public func gather(_ bytes: [UInt8]) -> [[UInt8]] { board.gather(bytes, of: rank) }
  public func abort(status: Int32) -> Never { exit(status) }
  public func finish() {}
}

/// Where the ranks leave what they tell each other. Sound because all is read and written under the condition's lock.
private final class Board: @unchecked Sendable {
  private let count: Int
  private let condition = NSCondition()
  private var messages: [[Int]: [[Float]]] = [:]
  private var gathered: [Int: [UInt8]] = [:]
  private var result: [[UInt8]] = []
  private var round = 0

  init(_ count: Int) { self.count = count }

  func exchange(_ sent: [Float], from rank: Int, with partner: Int) -> [Float] {
    condition.lock()
    defer { condition.unlock() }
    messages[[rank, partner], default: []].append(sent)
    condition.broadcast()
    while messages[[partner, rank], default: []].isEmpty { condition.wait() }
    return messages[[partner, rank]]!.removeFirst()
  }

  func gather(_ bytes: [UInt8], of rank: Int) -> [[UInt8]] {
    condition.lock()
    defer { condition.unlock() }
    gathered[rank] = bytes
    let own = round
    if gathered.count == count {
      result = (0..<count).map { gathered[$0]! }
      gathered = [:]
      round += 1
      condition.broadcast()
    }
    while round == own { condition.wait() }
    return result
  }
}
