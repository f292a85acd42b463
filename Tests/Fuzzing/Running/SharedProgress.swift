import Foundation

/// Numbers in a file that two processes map: what a worker is at is known after its death.
final class SharedProgress {
  private let numbers: UnsafeMutablePointer<Int>
  private static let byteCount = 3 * MemoryLayout<Int>.size

  struct CannotMap: Error {
    let path: String
    let errno: Int32
  }

  init(path: String) throws {
    let file = open(path, O_RDWR | O_CREAT, 0o600)
    guard file >= 0, ftruncate(file, off_t(Self.byteCount)) == 0,
      let start = mmap(nil, Self.byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), start != MAP_FAILED
    else { throw CannotMap(path: path, errno: errno) }
    close(file)
    numbers = start.bindMemory(to: Int.self, capacity: 3)
  }

  deinit { munmap(numbers, Self.byteCount) }

  /// The file that is being read.
  var current: Int {
    get { numbers[0] }
    set { numbers[0] = newValue }
  }
  /// Files that were read, and that were refused.
  var readCount: Int {
    get { numbers[1] }
    set { numbers[1] = newValue }
  }
  var refusedCount: Int {
    get { numbers[2] }
    set { numbers[2] = newValue }
  }
}
