import Glibc

/// Starts a thread that nobody waits for.
/// - Returns: false if the system refuses, as it does without memory or beyond a limit of processes.
public func startDetachedThread(_ body: @escaping @Sendable () -> Void) -> Bool {
  final class Start {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  let argument = Unmanaged.passRetained(Start(body))
  var thread = pthread_t()
  let status = pthread_create(
    &thread, nil,
    { argument in
      guard let argument else { return nil }
      Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body()
      return nil
    }, argument.toOpaque())
  guard status == 0 else {
    argument.release()
    return false
  }
  pthread_detach(thread)
  return true
}
