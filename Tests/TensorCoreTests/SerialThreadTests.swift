import Glibc
import Synchronization
import TensorCore
import Testing

/// The promises of a thread for jobs: all of them, in their order, one at a time, and none left when it has been waited for.
@Suite struct SerialThreadTests {
  @Test func jobsRunInTheirOrder() throws {
    let thread = try #require(SerialThread())
    let done = Mutex<[Int]>([])
    for round in 0..<20 {
      for job in 0..<50 { thread.run { done.withLock { $0.append(round * 50 + job) } } }
      thread.wait()
      #expect(done.withLock { $0 } == Array(0..<(round + 1) * 50))
    }
  }

  @Test func waitingReturnsAfterTheLastJobOnly() throws {
    let thread = try #require(SerialThread())
    let isDone = Atomic(false)
    thread.run {
      usleep(20_000)
      isDone.store(true, ordering: .releasing)
    }
    thread.wait()
    let wasDone = isDone.load(ordering: .acquiring)
    #expect(wasDone)
    thread.wait()
  }

  @Test func jobsRunOnAnotherThread() throws {
    let thread = try #require(SerialThread())
    let own = pthread_self()
    let other = Mutex<pthread_t?>(nil)
    thread.run { other.withLock { $0 = pthread_self() } }
    thread.wait()
    let found = other.withLock { $0 }
    #expect(found != nil && found != own)
  }

  /// A thread that nobody has any more does its jobs and ends.
  @Test func jobsAreDoneAfterTheLastReference() throws {
    let done = Atomic(0)
    let count = 100
    do {
      let thread = try #require(SerialThread())
      for _ in 0..<count { thread.run { done.add(1, ordering: .relaxed) } }
    }
    for _ in 0..<5000 where done.load(ordering: .relaxed) < count { usleep(1000) }
    let end = done.load(ordering: .relaxed)
    #expect(end == count)
  }
}
