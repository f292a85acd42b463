import Glibc

/// A thread that does jobs one after another, in the order in which they come.
public final class SerialThread: Sendable {
  private let jobs: Jobs

  /// Starts the thread; nil if the system refuses, as it does without memory or beyond a limit of processes.
  public init?() {
    jobs = Jobs()
    guard startDetachedThread({ [jobs] in jobs.work() }) else { return nil }
  }

  deinit { jobs.dismiss() }

  /// Gives the thread a job, and does not wait for it.
  public func run(_ job: @escaping @Sendable () -> Void) { jobs.add(job) }

  /// Returns when the thread has done all jobs that it was given.
  public func wait() { jobs.waitUntilDone() }
}

/// The jobs of a thread. Sound because all that changes is read and written under the mutex.
private final class Jobs: @unchecked Sendable {
  private var waiting: [@Sendable () -> Void] = []
  private var isBusy = false
  private var isDismissed = false
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let change = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(change, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(change)
    mutex.deallocate()
    change.deallocate()
  }

  func add(_ job: @escaping @Sendable () -> Void) { locked { waiting.append(job) } }

  /// Lets the thread end after the jobs that it has.
  func dismiss() { locked { isDismissed = true } }

  func waitUntilDone() {
    pthread_mutex_lock(mutex)
    while isBusy || !waiting.isEmpty { pthread_cond_wait(change, mutex) }
    pthread_mutex_unlock(mutex)
  }

  func work() {
    while let jobs = next() {
      for job in jobs { job() }
      locked { isBusy = false }
    }
  }

  /// All jobs that have come; nil when no more will.
  private func next() -> [@Sendable () -> Void]? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while waiting.isEmpty {
      if isDismissed { return nil }
      pthread_cond_wait(change, mutex)
    }
    isBusy = true
    defer { waiting = [] }
    return waiting
  }

  private func locked(_ body: () -> Void) {
    pthread_mutex_lock(mutex)
    body()
    pthread_cond_broadcast(change)
    pthread_mutex_unlock(mutex)
  }
}
