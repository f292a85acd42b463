import FoundationEssentials
import Glibc
import StreamFormat
import Synchronization

/// The file or folder beside a target that takes the target's place once it is whole: `TARGET.partial-PID`.
///
/// The process keeps a lock on it. What a killed process left behind has no lock, and the next run that writes the
/// same target removes it.
final class PartialFile {
  /// Where it is written.
  let path: String
  /// Whose place it takes.
  let target: String
  private let lock: Int32
  private let temporaries: TemporaryFiles?
  private var isThere = true

  /// Creates a file and gives the descriptor to write it by, which is the caller's to close.
  /// - Throws: ``StreamError/cannotCreate(file:errno:)``.
  static func file(for target: String, name: String, _ temporaries: TemporaryFiles?) throws -> (
    PartialFile, Int32
  ) {
    removeLeftovers(of: target)
    let path = Self.path(for: target)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw StreamError.cannotCreate(file: name, errno: errno) }
    let lock = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
    return (PartialFile(path, target, lock: lock, temporaries), descriptor)
  }

  /// Creates a folder.
  /// - Throws: ``StreamError/cannotCreate(file:errno:)``.
  static func folder(for target: String, name: String, _ temporaries: TemporaryFiles?) throws -> PartialFile {
    removeLeftovers(of: target)
    let path = Self.path(for: target)
    guard mkdir(path, 0o777) == 0 else { throw StreamError.cannotCreate(file: name, errno: errno) }
    return PartialFile(path, target, lock: open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), temporaries)
  }

  private init(_ path: String, _ target: String, lock: Int32, _ temporaries: TemporaryFiles?) {
    (self.path, self.target, self.lock, self.temporaries) = (path, target, lock, temporaries)
    temporaries?.insert(path)
    // Where a file system has no locks, a later run goes by the number of the process alone.
    _ = flock(lock, LOCK_EX | LOCK_NB)
  }

  deinit {
    remove()
    if lock >= 0 { close(lock) }
  }

  /// Puts it in its target's place.
  /// - Throws: ``StreamError/writeFailed(file:errno:)``; then it is gone and the target is as it was.
  func moveIntoPlace(name: String) throws {
    precondition(isThere, "\(name): moved twice")
    guard rename(path, target) == 0 else {
      let code = errno
      remove()
      throw StreamError.writeFailed(file: name, errno: code)
    }
    isThere = false
    temporaries?.forget(path)
    syncFolder(of: target)
  }

  /// Gives it up.
  func remove() {
    guard isThere else { return }
    isThere = false
    removeTree(path)
    temporaries?.forget(path)
  }

  private static func path(for target: String) -> String { "\(target).partial-\(getpid())" }
}

// MARK: What killed runs left

extension PartialFile {
  /// Removes the partial files of a target whose processes are gone.
  static func removeLeftovers(of target: String) {
    let folder = parentFolder(of: target)
    let prefix = (target.split(separator: "/").last.map(String.init) ?? target) + ".partial-"
    guard let stream = opendir(folder) else { return }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard name.hasPrefix(prefix), let process = pid_t(name.dropFirst(prefix.count)), process > 0 else {
        continue
      }
      if isLeft(folder + "/" + name, by: process) { removeTree(folder + "/" + name) }
    }
  }

  /// The number of a process may be that of another by now, and in another container it always may: a lock tells.
  private static func isLeft(_ path: String, by process: pid_t) -> Bool {
    let isRunning = kill(process, 0) == 0 || errno == EPERM
    if isRunning, process != getpid() { return false }
    let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    guard let kind = FileIdentity.of(descriptor: descriptor)?.kind, kind == .regular || kind == .folder else {
      return false
    }
    return flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK
  }
}

/// The partial files of a run, to remove if it is interrupted.
final class TemporaryFiles: Sendable {
  private struct State {
    var paths: Set<String> = []
    var isEnded = false
  }

  private let state = Mutex(State())

  func insert(_ path: String) {
    state.withLock { state in
      // A thread may still create files while another ends the process.
      if state.isEnded { removeTree(path) } else { state.paths.insert(path) }
    }
  }

  func forget(_ path: String) { _ = state.withLock { $0.paths.remove(path) } }

  /// Removes all, and whatever is still inserted, since the process ends.
  func removeAll() {
    state.withLock { state in
      state.isEnded = true
      for path in state.paths { removeTree(path) }
      state.paths.removeAll()
    }
  }
}

/// Removes a file, or a folder with all that is in it, even while another thread adds to it.
private func removeTree(_ path: String) {
  for _ in 0..<1000 {
    if unlink(path) == 0 || errno == ENOENT { return }
    try? FileManager.default.removeItem(atPath: path)
  }
}

/// Makes a rename last through a power failure. Not every file system can; the file itself is synced already.
private func syncFolder(of path: String) {
  let descriptor = open(parentFolder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { return }
  fsync(descriptor)
  close(descriptor)
}
