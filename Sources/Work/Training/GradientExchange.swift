import Autograd
import Communication
import Synchronization
import TensorCore

/// What a run has told other ranks of its gradients, and what that took.
public struct CommunicationCost: Sendable {
  /// Seconds in which sums were made, beside the backward pass or after it.
  public var seconds = 0.0
  /// Seconds of them in which the backward pass was over, so that the rank waited.
  public var secondsAlone = 0.0
  /// Bytes that this rank has sent, and as many that it has received.
  public var bytesSent = 0.0

  public init() {}

  mutating func add(_ other: CommunicationCost) {
    seconds += other.seconds
    secondsAlone += other.secondsAlone
    bytesSent += other.bytesSent
  }
}

/// Adds up the gradients of all ranks while the backward pass of the last leaf goes on: a gradient is sent when nothing
/// will be added to it any more. The order of sending is that of the variables from the last to the first, in which a
/// backward pass completes them more or less, and so is the same on all ranks. How gradients are put together and cut does
/// not change the sums.
final class GradientExchange {
  private let tree: GradientTree
  private let communicator: any Communicator
  private let clock: @Sendable () -> Double
  /// Makes the sums; nil if the communicator has to be called on this thread.
  private let thread: SerialThread?
  /// Values that are added up at a time.
  private let bucketSize: Int
  private let bucket: Tensor
  private var isComplete: [Bool]
  /// Variables from this place on are in ``queued``, or sent.
  private var firstQueued: Int
  private var queued: [UnsafeMutableBufferPointer<Float>] = []
  private var queuedCount = 0
  private var sent = 0
  private let seconds = Box()

  init(
    _ tree: GradientTree, _ communicator: any Communicator, _ clock: @escaping @Sendable () -> Double,
    bucketSize: Int? = nil
  ) {
    (self.tree, self.communicator, self.clock) = (tree, communicator, clock)
    let size = bucketSize ?? Self.bucketSize(ranks: communicator.count)
    self.bucketSize = size
    thread = communicator.sumsOnAnyThread ? SerialThread() : nil
    let total = tree.variables.reduce(0) { $0 + $1.value.count }
    bucket = tree.device.empty([max(min(total, size), 1)])
    isComplete = [Bool](repeating: false, count: tree.variables.count)
    firstQueued = tree.variables.count
  }

  /// To be told of the backward pass of the last leaf.
  var watch: GradientWatch {
    GradientWatch(tree.variables) { [self] place in
      tree.finish(at: place)
      isComplete[place] = true
      while firstQueued > 0, isComplete[firstQueued - 1] {
        firstQueued -= 1
        // Without a gradient on this rank a variable has none on any.
        if let gradient = tree.variables[firstQueued].gradient { queue(gradient) }
      }
    }
  }

  /// Sends what is left, and returns when all sums are in the variables.
  /// - Precondition: the backward pass has told of all variables.
  func finish() -> CommunicationCost {
    precondition(firstQueued == 0, "GradientExchange: \(firstQueued) gradients are not complete")
    let start = clock()
    send()
    thread?.wait()
    var cost = CommunicationCost()
    cost.seconds = seconds.value.withLock { $0 }
    cost.secondsAlone = clock() - start
    cost.bytesSent =
      2 * (1 - 1 / Double(communicator.count)) * Double(sent * MemoryLayout<Float>.size)
    return cost
  }

  /// 4 MB, so that a link is in use early and the last sum is short; up to 64 MB for many ranks, whose smallest messages have
  /// their share of it.
  private static func bucketSize(ranks: Int) -> Int { min(max(1 << 20, ranks << 16), 1 << 24) }

  /// Large gradients are summed where they are; small ones are put together, since each message takes a while to start.
  private func queue(_ gradient: Tensor) {
    if gradient.count >= max(bucketSize / 4, 1) {
      send()
      for first in stride(from: 0, to: gradient.count, by: bucketSize) {
        append(gradient.buffer[first..<min(first + bucketSize, gradient.count)])
        send()
      }
    } else {
      if queuedCount + gradient.count > bucketSize { send() }
      append(gradient.buffer[...])
    }
  }

  private func append(_ piece: Slice<UnsafeMutableBufferPointer<Float>>) {
    queued.append(UnsafeMutableBufferPointer(rebasing: piece))
    queuedCount += piece.count
  }

  private func send() {
    if queuedCount == 0 { return }
    // The thread has the pieces and the bucket until it is waited for: nobody else looks at a gradient that is complete.
    nonisolated(unsafe) let (pieces, bucket, communicator) = (queued, bucket, communicator)
    let (clock, seconds) = (clock, seconds)
    let job: @Sendable () -> Void = {
      let start = clock()
      sum(pieces, in: bucket.buffer, over: communicator)
      seconds.value.withLock { $0 += clock() - start }
    }
    if let thread { thread.run(job) } else { job() }
    sent += queuedCount
    (queued, queuedCount) = ([], 0)
  }

  private final class Box: Sendable {
    let value = Mutex(0.0)
  }
}

/// Replaces the values of all pieces by their sums over the ranks.
private func sum(
  _ pieces: [UnsafeMutableBufferPointer<Float>], in bucket: UnsafeMutableBufferPointer<Float>,
  over communicator: any Communicator
) {
  if pieces.count == 1 { return communicator.sum(pieces[0]) }
  var count = 0
  for piece in pieces {
    (bucket.baseAddress! + count).update(from: piece.baseAddress!, count: piece.count)
    count += piece.count
  }
  communicator.sum(UnsafeMutableBufferPointer(rebasing: bucket[..<count]))
  var first = 0
  for piece in pieces {
    piece.baseAddress!.update(from: bucket.baseAddress! + first, count: piece.count)
    first += piece.count
  }
}
