import CKernels
import Glibc
import Synchronization

/// A fixed set of threads for short parallel loops. The caller is thread 0. Work is cut into one part a
/// thread, the same way every time, so that sums over parts come out the same bytes on every run.
///
/// A body must not start another parallel loop on the same pool.
public final class ThreadPool {
  /// Number of threads, the caller included. Fewer than were asked for, if the system has not started all of them.
  public let count: Int
  private let workers: Workers

  /// - Parameter count: at least 1; `count - 1` threads are started, or as many as the system starts.
  public init(count: Int) {
    precondition(count >= 1, "ThreadPool: \(count) threads")
    workers = Workers()
    var started = 1
    while started < count, startDetachedThread({ [workers, started] in workers.work(started) }) {
      started += 1
    }
    self.count = started
    workers.count = started
  }

  deinit { workers.dismiss() }

  /// Calls `body(i)` once for every thread index i, each on its own thread, and waits for all.
  public func run(_ body: (Int) -> Void) {
    if count == 1 { return body(0) }
    withoutActuallyEscaping(body) { workers.run($0) }
  }

  /// Calls `body(range, thread)` with disjoint ranges that cover `0..<total`.
  public func forRanges(_ total: Int, grain: Int = 1, _ body: (Range<Int>, Int) -> Void) {
    if total == 0 { return }
    let grains = (total + grain - 1) / grain
    if count == 1 || grains == 1 { return body(0..<total, 0) }
    run { thread in
      let first = grains * thread / count * grain
      let last = min(total, grains * (thread + 1) / count * grain)
      if first < last { body(first..<last, thread) }
    }
  }
}

/// What the threads of a pool share. Sound because `job` is written only while no worker runs: before a
/// new generation is published and after all parts of the last one were counted in. `count` is written once, before
/// the first job, and read by the caller alone.
private final class Workers: @unchecked Sendable {
  var count = 1
  private let generation = Atomic<Int>(0)
  private let unfinished = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private var job: ((Int) -> Void)?
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let wake = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  /// Polls before a waiting thread yields or sleeps: some tens of microseconds, the usual pause
  /// between two loops of a training step.
  private static let polls = 4000

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(wake, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(wake)
    mutex.deallocate()
    wake.deallocate()
  }

  func run(_ body: @escaping (Int) -> Void) {
    job = body
    unfinished.store(count - 1, ordering: .relaxed)
    publish()
    body(0)
    var polls = 0
    while unfinished.load(ordering: .acquiring) != 0 {
      polls += 1
      if polls < Self.polls { tsr_pause() } else { sched_yield() }
    }
    job = nil
  }

  /// Tells the workers to leave once nothing runs.
  func dismiss() {
    job = nil
    publish()
  }

  private func publish() {
    generation.add(1, ordering: .sequentiallyConsistent)
    if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
      pthread_mutex_lock(mutex)
      pthread_cond_broadcast(wake)
      pthread_mutex_unlock(mutex)
    }
  }

  func work(_ index: Int) {
    var seen = 0
    while true {
      waitForGeneration(after: seen)
      seen = generation.load(ordering: .acquiring)
      guard performJob(index) else { return }
      unfinished.subtract(1, ordering: .releasing)
    }
  }

  /// Not inlined, so that the worker releases the closure before it reports. Right after that, the frame of
  /// the caller, which holds the closure, may be gone.
  @inline(never) private func performJob(_ index: Int) -> Bool {
    guard let job else { return false }
    job(index)
    return true
  }

  private func waitForGeneration(after seen: Int) {
    for _ in 0..<Self.polls {
      if generation.load(ordering: .acquiring) != seen { return }
      tsr_pause()
    }
    pthread_mutex_lock(mutex)
    sleepers.add(1, ordering: .sequentiallyConsistent)
    while generation.load(ordering: .sequentiallyConsistent) == seen { pthread_cond_wait(wake, mutex) }
    sleepers.subtract(1, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(mutex)
  }
}
