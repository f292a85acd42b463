import Glibc
import Synchronization
@testable import TensorCore
import Testing

/// The promises of parallel loops: every element once, the same cut every time, and no hang.
@Suite struct ThreadPoolTests {
  @Test(arguments: 1...5) func rangesCoverTheWholeOnce(threads: Int) {
    let pool = ThreadPool(count: threads)
    for total in [0, 1, 2, 3, 7, 16, 100, 1001] {
      for grain in [1, 2, 16, 64] {
        let ranges = Mutex<[Range<Int>]>([])
        pool.forRanges(total, grain: grain) { range, thread in
          ranges.withLock { $0.append(range) }
          if !(0..<threads).contains(thread) { Issue.record("thread \(thread) of \(threads)") }
        }
        let sorted = ranges.withLock { $0.sorted { $0.lowerBound < $1.lowerBound } }
        #expect(sorted.flatMap { Array($0) } == Array(0..<total), "\(total) by \(grain)")
        #expect(sorted.allSatisfy { $0.lowerBound % grain == 0 && !$0.isEmpty })
        #expect(sorted.count <= threads)
      }
    }
  }

  @Test func theCutIsTheSameEveryTime() {
    let pool = ThreadPool(count: 3)
    func cut() -> [Int: Range<Int>] {
      let ranges = Mutex<[Int: Range<Int>]>([:])
      pool.forRanges(100, grain: 7) { range, thread in ranges.withLock { $0[thread] = range } }
      return ranges.withLock { $0 }
    }
    let first = cut()
    for _ in 0..<100 { #expect(cut() == first) }
  }

  @Test func everyThreadRunsTheBodyOnce() {
    for count in 1...4 {
      let pool = ThreadPool(count: count)
      let calls = Mutex([Int](repeating: 0, count: count))
      for _ in 0..<50 { pool.run { index in calls.withLock { $0[index] += 1 } } }
      #expect(calls.withLock { $0 } == [Int](repeating: 50, count: count))
    }
  }

  @Test func thousandsOfShortLoops() {
    let pool = ThreadPool(count: 2)
    var sums = [Int](repeating: 0, count: 64)
    for step in 0..<20_000 {
      sums.withUnsafeMutableBufferPointer { sums in
        let base = sums.baseAddress!
        pool.forRanges(64) { range, _ in for i in range { base[i] += i + step } }
      }
    }
    let steps = 20_000 * 19_999 / 2
    #expect(sums == (0..<64).map { 20_000 * $0 + steps })
  }

  @Test func workersWakeFromSleep() {
    let pool = ThreadPool(count: 2)
    let calls = Atomic<Int>(0)
    for _ in 0..<20 {
      pool.run { _ in calls.add(1, ordering: .relaxed) }
      // Longer than workers spin: they sleep by now.
      var spins = 0
      let end = ContinuousClock.now + .milliseconds(2)
      while ContinuousClock.now < end { spins += 1 }
    }
    #expect(calls.load(ordering: .relaxed) == 40)
  }

  @Test func whatTheSystemDoesNotStartIsLeftOut() async {
    await #expect(processExitsWith: .success) {
      // Room for some stacks of threads, and not for a thousand.
      var limit = rlimit(rlim_cur: 4 << 30, rlim_max: 4 << 30)
      setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
      let pool = ThreadPool(count: 2000)
      let calls = Atomic<Int>(0)
      pool.run { _ in calls.add(1, ordering: .relaxed) }
      let isWhole = calls.load(ordering: .relaxed) == pool.count
      exit((1..<2000).contains(pool.count) && isWhole ? 0 : 1)
    }
  }

  @Test func manyPoolsComeAndGo() {
    for round in 0..<200 {
      let pools = (1...3).map { ThreadPool(count: $0) }
      let calls = Atomic<Int>(0)
      for pool in pools { pool.run { _ in calls.add(1, ordering: .relaxed) } }
      #expect(calls.load(ordering: .relaxed) == 6, "round \(round)")
    }
  }
}
