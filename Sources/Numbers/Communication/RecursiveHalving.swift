/// Sums over ranks by recursive halving and doubling (R. Thakur, R. Rabenseifner, W. Gropp, Optimization of Collective
/// Communication Operations in MPICH, 2005, section 4.4), with the nearest partners first, so that the additions of each
/// value are one binary tree: rank 0 with 1, 2 with 3, then these sums with each other, and so on. A rank sends and receives
/// 2 (1 - 1 / R) of the values, as in a ring.
///
/// First each pair of partners exchanges halves: the lower rank adds up the lower half, the upper rank the upper one. The
/// next partners are twice as far away, and exchange halves of what their ranks have added up. In the end each rank has the
/// whole sum of one part, and the parts go back the same way.
public struct RecursiveHalving {
  /// Sends values to a rank while it sends some to this one.
  public typealias Exchange = (
    _ partner: Int, _ sent: UnsafeBufferPointer<Float>, _ received: UnsafeMutableBufferPointer<Float>
  ) -> Void

  private let rank: Int
  private let count: Int
  private let exchange: Exchange
  /// The most values in a message.
  private let messageSize: Int

  /// - Parameter messageSize: the most values in a message. With half a megabyte, Open MPI 4.1 fills a link in both
  ///   directions; with four it sends in one direction at a time (64 in place of 119 MB/s each way on 1 Gbit/s).
  /// - Precondition: `count` is a power of two.
  public init(rank: Int, count: Int, messageSize: Int = 1 << 17, exchange: @escaping Exchange) {
    precondition(count > 0 && count & (count - 1) == 0, "RecursiveHalving: \(count) ranks")
    (self.rank, self.count, self.messageSize, self.exchange) = (rank, count, messageSize, exchange)
  }

  /// Replaces each value by its sum over the ranks.
  public func sum(_ values: UnsafeMutableBufferPointer<Float>) {
    var own = values.indices
    var kept: [Range<Int>] = []
    for distance in distances {
      kept.append(own)
      let (mine, other) = halves(own, distance)
      addHalf(values, mine, sending: other, partner: rank ^ distance)
      own = mine
    }
    for (distance, whole) in zip(distances, kept).reversed() {
      let (mine, other) = halves(whole, distance)
      send(values, mine, receiving: other, partner: rank ^ distance)
    }
  }

  /// 1, 2, 4, ... below the number of ranks.
  private var distances: [Int] { (0..<count.trailingZeroBitCount).map { 1 << $0 } }

  /// The half that this rank adds up, and its partner's. Both have come to the same range by the steps before.
  private func halves(_ range: Range<Int>, _ distance: Int) -> (mine: Range<Int>, other: Range<Int>) {
    let middle = range.lowerBound + range.count / 2
    let (lower, upper) = (range.lowerBound..<middle, middle..<range.upperBound)
    return rank & distance == 0 ? (lower, upper) : (upper, lower)
  }

  private func addHalf(
    _ values: UnsafeMutableBufferPointer<Float>, _ mine: Range<Int>, sending other: Range<Int>, partner: Int
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: min(messageSize, max(mine.count, 1))) { memory in
      forMessages(mine, other) { mine, other in
        let received = UnsafeMutableBufferPointer(rebasing: memory[..<mine.count])
        exchange(partner, UnsafeBufferPointer(rebasing: values[other]), received)
        let sums = UnsafeMutableBufferPointer(rebasing: values[mine])
        for i in sums.indices { sums[i] += received[i] }
      }
    }
  }

  private func send(
    _ values: UnsafeMutableBufferPointer<Float>, _ mine: Range<Int>, receiving other: Range<Int>, partner: Int
  ) {
    forMessages(mine, other) { mine, other in
      exchange(
        partner, UnsafeBufferPointer(rebasing: values[mine]),
        UnsafeMutableBufferPointer(rebasing: values[other]))
    }
  }

  /// Cuts two ranges, which may differ by one value, into as many messages.
  private func forMessages(_ a: Range<Int>, _ b: Range<Int>, _ body: (Range<Int>, Range<Int>) -> Void) {
    func part(_ range: Range<Int>, _ first: Int) -> Range<Int> {
      range.dropFirst(first).prefix(messageSize)
    }
    for first in stride(from: 0, to: max(a.count, b.count), by: messageSize) {
      body(part(a, first), part(b, first))
    }
  }
}
